-- Give these queued steps their entries: available, or scheduled if their time has not come.
--
-- The entry of a group that has children is its join. The position puts the n-th entry that a
-- workflow releases at one time 100 ms behind the one before, at most ten minutes. So a short
-- workflow does not wait for the whole width of one that came before it.
-- queues, counts: parallel; how many became available in each queue.
-- In a queue with limits for lanes the entry gets its lane. Joins, and maps that expand, run no user
-- code: in a queue with limits they have the lane '', for which no limit holds.
-- Locks: none; the caller holds the locks of the workflows.
create or replace function release(
    p_ids bigint[], p_moment timestamptz,
    out queues text[], out counts integer[]
)
language plpgsql
as $$
declare
    soonest timestamptz;
    is_timed boolean;
begin
    with limits as materialized (
        select array_agg(l.queue::text) as limited, array_agg(l.queue::text) filter (where l.is_laned) as laned
          from queue_settings l
         where l.has_limits
    ), released as materialized (
        select s.id, s.priority, s.queue, s.units,
               case
                   when (s.queue = any(l.limited)) is not true then null
                   when s.first_child is not null or s.map is not null or s.worker = 'baton.item' then ''
                   when s.queue = any(l.laned) then coalesce(s.lane, '-')
               end as lane, s.first_child is not null as is_join, s.attempt,
               case
                   when s.first_child is not null then p_moment
                   else greatest(p_moment, s.scheduled_at, p_moment + interval '1 second' * s.schedule_in)
               end as due,
               row_number() over (partition by workflow_of(s.id) order by s.id) as nth,
               (s.deadline is not null or s.start_within is not null) and s.map is null and s.first_child is null as is_timed
          from steps s
         cross join limits l
         where s.id = any(p_ids)
    ), entered as (
        insert into queue as q (step_id, priority, queue, lane, units, is_join, attempt, scheduled_at, position, state)
        select r.id, r.priority, r.queue, r.lane, r.units, r.is_join, r.attempt, r.due,
               r.due + interval '100 milliseconds' * least(6000, r.nth - 1),
               case when r.due > p_moment then 'scheduled' else 'available' end
          from released r
     returning q.queue, q.state, q.scheduled_at
    ), summed as (
        select e.queue,
               count(*) filter (where e.state = 'available')::integer as available,
               min(e.scheduled_at) filter (where e.state = 'scheduled') as soonest
          from entered e
         group by e.queue
    )
    select array_agg(s.queue), array_agg(s.available), min(s.soonest), (select bool_or(r.is_timed) from released r)
      into queues, counts, soonest, is_timed
      from summed s;
    if soonest is not null then
        perform notify_due(soonest, p_moment);
    end if;
    if is_timed then
        -- Those of a map are its children's.
        perform begin_deadlines(
            array(select s.id from steps s where s.id = any(p_ids) and s.map is null and s.first_child is null), p_moment
        );
    end if;
end $$;
