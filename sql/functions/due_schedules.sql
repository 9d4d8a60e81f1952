-- The schedules that are due, the longest overdue first; what a pool must know to fire their next
-- slots.
--
-- moment: the time by the database's clock, which alone decides what is due.
-- Locks: nothing. The call that fires one checks that it is as it was read (see fire_schedule).
create or replace function due_schedules(p_limit integer)
returns table (
    name text, version bigint, workflow text, cron text, every double precision, timezone text,
    catch_up double precision, jitter double precision, next_at timestamptz, is_waiting boolean,
    moment timestamptz
)
language sql stable security definer
as $$
    select s.name, s.version, s.workflow, s.cron, s.every, s.timezone, s.catch_up, s.jitter, s.next_at,
           s.is_waiting, clock_timestamp()
      from schedules s
     where s.paused_at is null
       and s.due_at <= clock_timestamp()
     order by s.due_at
     limit p_limit
$$;
