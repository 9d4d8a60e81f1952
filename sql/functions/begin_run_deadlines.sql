-- Begin the deadlines of these workflows, of those that have one: each counts from this moment. The
-- caller has just inserted them, or retries them under their locks.
create or replace function begin_run_deadlines(p_keys bigint[], p_moment timestamptz) returns void
language plpgsql
as $$
declare
    soonest timestamptz;
begin
    with begun as (
        insert into deadlines as d (step_id, due_at, kind)
        select step_of(w.key, 0), p_moment + interval '1 second' * w.deadline, 'run'
          from workflows w
         where w.key = any(p_keys)
           and w.deadline is not null
           and w.finished_at is null
            on conflict (step_id, kind) do update set due_at = excluded.due_at
     returning d.due_at
    )
    select min(b.due_at) into soonest from begun b;
    if soonest is not null then
        perform notify_overdue(soonest, p_moment);
    end if;
end $$;
