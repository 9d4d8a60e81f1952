-- Take these steps out of the queue, whatever their entries are doing.
--
-- Their claims are void, and the pools that run them are notified. Where a closing step or an undo
-- has to wait until such an attempt has really ended, that is noted in unended_attempts. The caller
-- makes the steps final.
-- Locks: the entries by step; the caller holds the lock of the workflow.
create or replace function end_entries(p_ids bigint[]) returns void
language plpgsql
as $$
declare
    freed record;
begin
    perform 1 from queue q where q.step_id = any(p_ids) order by q.step_id for update;
    perform pg_notify(channel(), 'cancel ' || h.pool)
       from (select distinct q.pool from queue q where q.step_id = any(p_ids) and q.state = 'executing') as h;
    with ended as (
        delete from queue q where q.step_id = any(p_ids)
     returning q.step_id, q.attempt, q.attempted_at, q.pool, q.token, q.queue, q.lane, q.slot,
              q.state = 'executing' and not q.is_join as was_running
    ), noted as (
        insert into unended_attempts (step_id, token, pool)
        select e.step_id, e.token, e.pool
          from ended e
         where e.was_running
           and (select w.has_closing from workflows w where w.key = any(array[workflow_of(e.step_id)]))
    ), updated as (
        update steps s
           set attempt = e.attempt,
               attempted_at = coalesce(e.attempted_at, s.attempted_at),
               pool = coalesce(e.pool, s.pool),
               began = s.began or e.was_running
          from ended e
         where s.id = any(array[e.step_id])
    )
    select array_agg(e.queue) as queues, array_agg(e.lane) as lanes
      into freed
      from ended e
     where e.was_running
       and (e.slot is not null or e.lane <> '');
    perform notify_freed(freed.queues, freed.lanes);
end $$;
