-- Make a schedule, or change the one of this name.
--
-- p_next, p_due: the first slot and when to fire it. A schedule whose cron, every, time zone and
--   jitter stay as they are keeps its own.
-- p_actor: who does; noted as an intervention.
-- outcome: created, changed, or unchanged.
-- Locks: the schedule. Wakes pools if it is due soon.
create or replace function put_schedule(
    p_name text, p_workflow text, p_cron text, p_every double precision, p_timezone text, p_overlap text,
    p_catch_up double precision, p_jitter double precision, p_next timestamptz, p_due timestamptz,
    p_actor text default null, out outcome text
)
language plpgsql security definer
as $$
declare
    due timestamptz;
begin
    -- Not only Python calls this: what a pool cannot calculate with would stop it from firing any.
    perform refuse(case
        when name_fault(p_name, false) is not null then 'the name of the schedule ' || name_fault(p_name, false)
        when not (p_every >= 1 and p_every <= 3162240000) then
            'every must be at least a second, and at most a hundred years'
        when p_cron !~ '^[-0-9A-Za-z*/,#?]+(\s+[-0-9A-Za-z*/,#?]+){4,5}$' or length(p_cron) > 1000 then
            'cron has five or six fields'
        when (p_catch_up between 0 and 3162240000) is not true then 'catch_up must be 0 or more seconds'
        when (p_jitter between 0 and 3162240000) is not true then 'jitter must be 0 or more seconds'
        when not (p_next between '1900-01-01 00:00Z' and '9001-01-01 00:00Z')
             or not (p_due between '1900-01-01 00:00Z' and '9001-01-01 00:00Z') then
            'its next time is not between the years 1900 and 9000'
    end);
    insert into schedules as s (
        name, workflow, cron, every, timezone, overlap, catch_up, jitter, next_at, due_at
    )
    values (
        p_name, p_workflow, p_cron, p_every, p_timezone, p_overlap, p_catch_up, p_jitter, p_next, p_due
    )
        on conflict (name) do nothing
    returning s.due_at into due;
    if found then
        outcome := 'created';
    else
        update schedules s
           set workflow = p_workflow,
               cron = p_cron,
               every = p_every,
               timezone = p_timezone,
               overlap = p_overlap,
               catch_up = p_catch_up,
               jitter = p_jitter,
               next_at = case when t.is_same then s.next_at else p_next end,
               due_at = case when t.is_same then s.due_at else p_due end,
               failures = 0,
               error = null,
               version = s.version + 1,
               changed_at = clock_timestamp()
          from (
              select o.name,
                     (o.cron, o.every, o.timezone, o.jitter)
                         is not distinct from (p_cron, p_every, p_timezone, p_jitter) as is_same
                from schedules o
               where o.name = p_name
                 for update
          ) as t
         where s.name = t.name
           and (s.workflow, s.cron, s.every, s.timezone, s.overlap, s.catch_up, s.jitter)
               is distinct from (p_workflow, p_cron, p_every, p_timezone, p_overlap, p_catch_up, p_jitter)
        returning s.due_at into due;
        outcome := case when found then 'changed' else 'unchanged' end;
    end if;
    if outcome <> 'unchanged' then
        perform note_intervention(
            null, case outcome when 'created' then 'create schedule' else 'change schedule' end, p_actor, p_subject => p_name
        );
    end if;
    perform notify_schedule(due);
end $$;
