-- Begin the deadlines of these steps, which have just been released, or of groups that have just
-- begun: each counts from this moment. One that runs already goes on: a snooze, another attempt
-- and another round do not begin it anew; a retry does. The caller holds the locks of their
-- workflows.
create or replace function begin_deadlines(p_ids bigint[], p_moment timestamptz) returns void
language plpgsql
as $$
declare
    soonest timestamptz;
begin
    with begun as (
        insert into deadlines (step_id, due_at, kind)
        select s.id, p_moment + interval '1 second' * k.seconds, k.kind
          from steps s
         cross join lateral (values (s.deadline, 'end'), (s.start_within, 'start')) as k(seconds, kind)
         where s.id = any(p_ids)
           and k.seconds is not null
            on conflict do nothing
     returning due_at
    )
    select min(b.due_at) into soonest from begun b;
    if soonest is not null then
        perform notify_overdue(soonest, p_moment);
    end if;
end $$;
