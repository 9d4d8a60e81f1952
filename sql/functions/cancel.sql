-- Cancel a workflow: every step that is not final, whatever its flags, and the workflow is terminal in this transaction.
-- With p_names, cancel those steps alone, of groups all that is below them, and their dependents are served as the rules say.
--
-- Final at once: the entries are gone, so the tokens of running attempts are void, and their pools are told.
-- p_request: drawn for this call by the caller. Sent again, the call changes nothing and answers what it answered.
-- cancelled: how many steps this call cancelled; null if there is no such workflow.
-- unknown: names that are no steps of it; then nothing is cancelled.
-- Locks: the workflow, then its entries by step.
create or replace function cancel(
    p_workflow_id text, p_names text[], p_reason text, p_request uuid default null,
    out cancelled integer, out unknown text[]
)
language plpgsql security definer
as $$
declare
    flow    record;
    moment  timestamptz;
    ids     bigint[];
    applied record;
begin
    perform require_read_committed();
    select w.key, w.request, w.touched into flow from workflows w where w.id = p_workflow_id for no key update;
    if not found then
        return;
    end if;
    if flow.request = p_request then
        cancelled := flow.touched;
        unknown := '{}';
        return;
    end if;

    unknown := array(
        select n.name
          from unnest(p_names) as n(name)
         where not exists (
                   select
                     from steps s
                    where s.id >= step_of(flow.key, 0) and s.id < step_of(flow.key + 1, 0) and s.name = n.name
               )
    );
    cancelled := 0;
    if cardinality(unknown) > 0 then
        return;
    end if;
    ids := array(
        select s.id
          from steps s
         where s.id >= step_of(flow.key, 0) and s.id < step_of(flow.key + 1, 0)
           and s.finished_at is null
           and (p_names is null or s.name = any(p_names))
    );
    if p_names is not null then
        ids := array(select s.id from steps s where s.id = any(with_descendants(ids)) and s.finished_at is null);
    end if;
    cancelled := cardinality(ids);
    if cancelled = 0 then
        return;
    end if;
    perform 1 from queue q where q.step_id = any(ids) order by q.step_id for update;
    -- After the entries are locked: until then they may be claimed, and no step ends before it was.
    moment := clock_timestamp();
    update workflows w set request = p_request, touched = cancelled where w.key = flow.key;

    perform pg_notify(channel(), 'cancel ' || h.pool)
       from (select distinct q.pool from queue q where q.step_id = any(ids) and q.state = 'executing') as h;

    -- suspended, scheduled, available, executing, retryable -> cancelled
    with ended as (
        delete from queue q where q.step_id = any(ids)
     returning q.step_id, q.attempt, q.attempted_at, q.pool
    )
    update steps s
       set attempt = e.attempt,
           attempted_at = coalesce(e.attempted_at, s.attempted_at),
           pool = coalesce(e.pool, s.pool)
      from ended e
     where s.id = any(array[e.step_id]);
    update steps s
       set state = 'cancelled',
           pending = 0,
           reason = p_reason,
           finished_at = moment
     where s.id = any(ids);

    if p_names is null then
        perform finish_cancelled(flow.key, ids, moment);
    else
        select c.queues, c.counts into applied from apply_consequences(ids, moment, false) as c;
        perform notify_queues(applied.queues, applied.counts);
    end if;
end $$;
