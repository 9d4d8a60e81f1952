-- Seconds until the next deadline is due, at most a day; 0 if one is due, null if there is none.
--
-- p_passed_over: keys of workflows that are left out.
create or replace function next_deadline_in(p_passed_over bigint[]) returns double precision
language sql stable
as $$
    select case
               when d.due_at <= clock_timestamp() then 0
               else extract(epoch from least(d.due_at, clock_timestamp() + interval '1 day') - clock_timestamp())
           end
      from deadlines d
     where workflow_of(d.step_id) <> all(p_passed_over)
     order by d.due_at
     limit 1
$$;
