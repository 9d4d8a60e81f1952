-- Let these steps wait for what they await: their entries are in state `waiting`, which no pool
-- claims, and cost nothing until it comes or their time is up (see end_waits).
--
-- The caller holds the locks of their workflows, and has made them queued. Returns those that ended
-- at once, because what they await had come before.
-- Locks: none but those that the caller holds.
create or replace function begin_waits(p_ids bigint[], p_moment timestamptz) returns bigint[]
language plpgsql
as $$
declare
    ended   bigint[];
    soonest timestamptz;
begin
    -- queued -> completed: an early signal. One that is being sent now is found by upkeep.
    with early as (
        select s.id, g.value
          from steps s
          join signals g on g.workflow = any(array[workflow_of(s.id)]) and g.name = s.name
         where s.id = any(p_ids)
           and s.awaits ->> 'type' = 'signal'
           and g.sent_at is not null
    ), completed as (
        update steps s
           set state = 'completed',
               result = e.value,
               began = true,
               finished_at = p_moment
          from early e
         where s.id = any(array[e.id])
     returning s.id
    )
    select coalesce(array_agg(c.id), '{}') into ended from completed c;

    with waiting as (
        insert into queue as q (step_id, priority, queue, scheduled_at, position, ends_at, state)
        select s.id, s.priority, s.queue, p_moment, p_moment, wait_ends_at(s.awaits, p_moment), 'waiting'
          from steps s
         where s.id = any(p_ids)
           and s.id <> all(ended)
     returning q.step_id, q.ends_at
    ), begun as (
        update steps s
           set began = true
          from waiting w
         where s.id = any(array[w.step_id])
           and not s.began
    )
    select min(w.ends_at) into soonest from waiting w;
    perform notify_ripe(soonest, p_moment);
    return ended;
end $$;
