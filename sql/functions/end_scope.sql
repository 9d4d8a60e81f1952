-- End a scope, a workflow or a group, before all its steps are final: `ending` keeps state and
-- reason as it will have them, and its ordinary steps that are not final are cancelled. Closing
-- steps and undos still run. A scope that is final or is being ended is left as it is.
--
-- p_group: null for the whole workflow.
-- p_state: of a workflow failed; of a group discarded, cancelled, skipped, or completed if it needs
--   the others no more.
-- queues, counts: parallel; how many entries became available in each queue.
-- Up to 1,000 steps are cancelled at once, so that none of them starts after this. More take longer
-- than others would wait for the lock: upkeep cancels them, in a call of its own.
-- Locks: the entries by step; the caller holds the lock of the workflow.
create or replace function end_scope(
    p_key bigint, p_group bigint, p_state text, p_reason text, p_moment timestamptz,
    out queues text[], out counts integer[]
)
language plpgsql
as $$
declare
    is_small boolean;
    swept    record;
begin
    if p_group is null then
        update workflows w
           set ending = json_build_object('state', p_state, 'reason', left(p_reason, 2000))
         where w.key = p_key
           and w.ending is null
           and w.finished_at is null;
    else
        update steps g
           set ending = json_build_object('state', p_state, 'reason', left(p_reason, 2000))
         where g.id = p_group
           and g.ending is null
           and g.finished_at is null;
    end if;
    if not found then
        return;
    end if;
    is_small := (select w.remaining <= 1000 from workflows w where w.key = p_key);
    if not is_small and p_group is not null then
        is_small := (select g.pending <= 1000 from steps g where g.id = p_group) and cardinality(with_descendants(array[p_group])) <= 1000;
    end if;
    if is_small then
        swept := sweep_scope(p_key, p_group);
        queues := swept.queues;
        counts := swept.counts;
    else
        insert into deadlines (step_id, due_at, kind)
        values (coalesce(p_group, step_of(p_key, 0)), p_moment, case when p_group is null then 'sweep run' else 'sweep group' end)
            on conflict do nothing;
        perform notify_overdue(p_moment, p_moment);
    end if;
end $$;
