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
    early   bigint[];
    soonest timestamptz;
begin
    perform take_messages(p_ids);
    -- queued -> completed. What is being sent just now is found by upkeep.
    with come as (
        select s.id, coalesce(g.value, m.value) as value
          from steps s
          left join signals g on g.workflow = any(array[workflow_of(s.id)]) and g.name = s.name
          left join messages m on s.awaits ->> 'type' = 'message' and m.taken_by = any(array[s.id])
         where s.id = any(p_ids)
           and (g.sent_at is not null or m.taken_by is not null)
    ), completed as (
        update steps s
           set state = 'completed',
               result = c.value,
               began = true,
               finished_at = p_moment
          from come c
         where s.id = any(array[c.id])
     returning s.id
    )
    select coalesce(array_agg(c.id), '{}') into early from completed c;

    with waiting as (
        insert into queue as q (step_id, priority, queue, scheduled_at, position, ends_at, state)
        select s.id, s.priority, s.queue, p_moment, p_moment, wait_ends_at(s.awaits, p_moment), 'waiting'
          from steps s
         where s.id = any(p_ids)
           and s.finished_at is null
     returning q.step_id, q.ends_at
    ), begun as (
        update steps s
           set began = true
          from waiting w
         where s.id = any(array[w.step_id])
     returning s.id, s.awaits
    ), receiving as (
        insert into receivers (workflow, topic, step_id)
        select workflow_of(b.id), b.awaits ->> 'topic', b.id
          from begun b
         where b.awaits ->> 'type' = 'message'
            on conflict do nothing
    ), runs as (
        insert into awaited_runs as a (step_id, run_id)
        select b.id, b.awaits ->> 'id'
          from begun b
         where b.awaits ->> 'type' = 'run'
            on conflict (step_id) do update
           set run_key = null,
               is_new = true
     returning a.step_id
    )
    select min(case when r.step_id is null then w.ends_at else p_moment end)
      into soonest
      from waiting w
      left join runs r on r.step_id = w.step_id;
    perform notify_ripe(soonest, p_moment);
    return early;
end $$;
