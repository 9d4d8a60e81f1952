-- Fire a slot of a schedule, and move on to its next one. The run is inserted in the same
-- transaction, so each slot gets exactly one run, whatever dies.
--
-- p_version, p_slot: as due_schedules returned them; if one of them has changed, nothing happens.
-- p_missed, p_missed_at: how many slots were missed, and the last one of them.
-- p_fire: the slot to fire now, which is p_slot unless that was missed; null if all that was due
--   was missed.
-- p_run, p_workflow: the id of its run, and the workflow as Baton.to_json writes it, under this id.
-- p_fault: why the workflow could not be made; then p_workflow is null. If p_run is null as well, not
--   even the slot could be computed.
-- p_next, p_due: the slot after that, and when to fire it.
-- outcome: fired, skipped, waiting (for the end of an earlier run), missed, failed, or stale:
--   somebody else fired it, or holds it.
-- error: why it failed. Then it stays due, and is tried again after a while that grows up to an
--   hour.
-- Locks: the schedule, without waiting; then, for `replace`, as cancel.
create or replace function fire_schedule(
    p_name text, p_version bigint, p_slot timestamptz, p_missed integer, p_missed_at timestamptz,
    p_fire timestamptz, p_run text, p_workflow text, p_next timestamptz, p_due timestamptz,
    p_fault text default null,
    out outcome text, out error text
)
language plpgsql security definer
as $$
declare
    schedule   schedules;
    is_running boolean := false;
begin
    select s.*
      into schedule
      from schedules s
     where s.name = p_name
       and s.version = p_version
       and s.next_at = p_slot
       and s.paused_at is null
       for update skip locked;
    if not found then
        outcome := 'stale';
        return;
    end if;

    begin
        if p_fire is not null and schedule.overlap <> 'allow' then
            is_running := exists (
                select
                  from workflows w
                 where w.id = schedule.last_run
                   and w.state = 'executing'
            );
        end if;
        case
            when p_fault is not null and p_run is null then
                outcome := 'failed';
                error := p_fault;
            when p_fire is null then
                outcome := 'missed';
            when is_running and schedule.overlap = 'skip' then
                outcome := 'skipped';
            when is_running and schedule.overlap = 'queue one' then
                outcome := 'waiting';
            when p_fault is not null then
                outcome := 'failed';
                error := p_fault;
            else
                if is_running then
                    perform cancel(
                        schedule.last_run, null, format('replaced by the next run of schedule %s', p_name),
                        gen_random_uuid(), false, false, format('schedule %s', p_name)
                    );
                end if;
                -- A run of this id that exists, of a backfill for example, is the slot's.
                -- If another run holds the key of its workflow, the slot has none.
                outcome := case when (insert_workflow_json(p_workflow, false)).id = p_run then 'fired' else 'skipped' end;
        end case;
    exception
        when insufficient_resources or operator_intervention or system_error or transaction_rollback
             or lock_not_available then
            raise;
        when others then
            outcome := 'failed';
            error := format('%s (%s)', sqlerrm, sqlstate);
    end;

    if outcome = 'waiting' then
        -- One slot waits, the newest: one that comes meanwhile takes its place.
        update schedules s
           set is_waiting = true,
               next_at = case when p_next <= clock_timestamp() then p_next else p_fire end,
               skipped = s.skipped + case when p_next <= clock_timestamp() then 1 else 0 end,
               missed = s.missed + p_missed,
               missed_at = coalesce(p_missed_at, s.missed_at),
               failures = 0,
               error = null,
               due_at = clock_timestamp() + interval '5 seconds'
         where s.name = p_name;
        return;
    end if;
    if outcome = 'failed' then
        update schedules s
           set failures = s.failures + 1,
               error = fire_schedule.error,
               due_at = clock_timestamp() + least(
                            interval '1 hour', interval '5 seconds' * power(2, least(s.failures, 10))
                        )
         where s.name = p_name;
        return;
    end if;
    update schedules s
       set next_at = p_next,
           due_at = p_due,
           last_at = case when outcome = 'fired' then p_fire else s.last_at end,
           last_run = case when outcome = 'fired' then p_run else s.last_run end,
           is_waiting = false,
           fired = s.fired + case when outcome = 'fired' then 1 else 0 end,
           skipped = s.skipped + case when outcome = 'skipped' then 1 else 0 end,
           missed = s.missed + p_missed,
           missed_at = coalesce(p_missed_at, s.missed_at),
           failures = 0,
           error = null
     where s.name = p_name;
end $$;
