-- Seconds until the next schedule is due, at most a day; 0 if one is due, null if there is none.
create or replace function next_schedule_in() returns double precision
language sql stable security definer
as $$
    select greatest(
               0,
               extract(
                   epoch from least(s.due_at, clock_timestamp() + interval '1 day') - clock_timestamp()
               )
           )
      from schedules s
     where s.paused_at is null
       and s.due_at is not null
     order by s.due_at
     limit 1
$$;
