-- Seconds until the next entry is due, at most a day; 0 if one is due, null if none waits for a
-- time.
--
-- p_passed_over: steps whose entries are left out.
create or replace function next_due_in(p_passed_over bigint[]) returns double precision
language sql stable
as $$
    -- PostgreSQL up to 16 cannot subtract an infinite time, which must not stop the upkeep.
    select case
               when q.scheduled_at <= clock_timestamp() then 0
               else extract(epoch from least(q.scheduled_at, clock_timestamp() + interval '1 day') - clock_timestamp())
           end
      from queue q
     where q.state in ('scheduled', 'retryable')
       and q.step_id <> all(p_passed_over)
     order by q.scheduled_at
     limit 1
$$;
