-- End the scopes that fail fast: workflows, or groups, in which a failure can no longer be
-- forgiven.
--
-- A failure in a group fails the group, unless that tolerates it. So each failure is followed
-- outwards for as long as nothing can forgive it, and the outermost scope that fails fast is ended.
--
-- p_ids: steps that have just become final, of any state. What depended on a failed step and ended
--   without having begun may have been the last that could forgive it.
-- queues, counts: parallel; how many entries became available in each queue.
-- Locks: the entries by step; the caller holds the locks of the workflows.
create or replace function fail_fast(p_ids bigint[], p_moment timestamptz, out queues text[], out counts integer[])
language plpgsql
as $$
declare
    keys     bigint[];
    root     bigint;
    culprit  record;
    step     steps;
    verdict  text;
    is_whole boolean;
    target   bigint;
    ended    record;
begin
    keys := array(
        select w.key
          from workflows w
         where w.key = any(array(select distinct workflow_of(o.id) from unnest(p_ids) as o(id)))
           and w.may_fail_fast
           and w.ending is null
           and w.finished_at is null
    );
    if cardinality(keys) = 0 then
        return;
    end if;
    for root in
        select s.id
          from steps s
         where s.id = any(
                   p_ids || array(
                       select sibling_of(n.id, o.ordinal)
                         from steps n
                        cross join lateral unnest(n.dependencies) as o(ordinal)
                        where n.id = any(p_ids)
                          and n.state <> 'completed'
                          and not n.began
                   )
               )
           and workflow_of(s.id) = any(keys)
           and s.state in ('discarded', 'cancelled')
           and not s.not_needed
         order by s.state = 'cancelled', s.id
    loop
        select s.* into step from steps s where s.id = root;
        select step.name, step.state, step.reason into culprit;
        verdict := step.state;
        is_whole := false;
        target := null;
        while is_unforgivable(step, verdict) loop
            is_whole := step.parent is null;
            exit when is_whole;
            select g.* into step from steps g where g.id = sibling_of(step.id, step.parent);
            exit when step.failures_left > 0 or step.ending is not null or step.finished_at is not null;
            if step.fails_fast then
                target := step.id;
            end if;
        end loop;
        is_whole := is_whole and (select w.fails_fast from workflows w where w.key = workflow_of(root));
        continue when not is_whole and target is null;
        ended := end_scope(
            workflow_of(root), case when not is_whole then target end, case when is_whole then 'failed' else verdict end,
            format('step ''%s'' was %s', culprit.name, culprit.state) || coalesce(': ' || culprit.reason, ''), p_moment
        );
        queues := queues || ended.queues;
        counts := counts || ended.counts;
    end loop;
end $$;
