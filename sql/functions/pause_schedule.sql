-- Pause a schedule, or let it go on.
--
-- p_next, p_due: when it goes on, its next slot from now and when to fire it: what would have fired
--   meanwhile is left out, and not missed. Null to pause.
-- p_actor: who does; noted as an intervention.
-- is_changed: false if it was so already; null if there is none of this name.
-- Locks: the schedule.
create or replace function pause_schedule(
    p_name text, p_is_paused boolean, p_next timestamptz, p_due timestamptz, p_actor text default null, out is_changed boolean
)
language plpgsql security definer
as $$
begin
    perform refuse(case
        when not (p_next between '1900-01-01 00:00Z' and '9001-01-01 00:00Z')
             or not (p_due between '1900-01-01 00:00Z' and '9001-01-01 00:00Z') then
            'its next time is not between the years 1900 and 9000'
    end);
    update schedules s
       set paused_at = case when p_is_paused then clock_timestamp() end,
           next_at = case when p_is_paused then s.next_at else p_next end,
           due_at = case when p_is_paused then s.due_at else p_due end,
           is_waiting = false,
           version = s.version + 1
     where s.name = p_name
       and (s.paused_at is not null) <> p_is_paused;
    is_changed := found;
    if not found then
        select false into is_changed from schedules s where s.name = p_name;
    else
        perform note_intervention(
            null, case when p_is_paused then 'pause schedule' else 'resume schedule' end, p_actor, p_subject => p_name
        );
        if not p_is_paused then
            perform notify_schedule(p_due);
        end if;
    end if;
end $$;
