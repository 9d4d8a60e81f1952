-- Record a signal for a step that waits for one, or will; what the step completes with.
--
-- p_value: JSON text. p_key: names the signal, so that a repetition is recognised; null for none.
-- p_actor: who sends it, if that is to be noted as an intervention; null for a program.
-- accepted: true if it is recorded, by this call or by an earlier one with the same key, until the
--   workflow is pruned; the step completes with it unless it is cancelled first. False if another
--   signal came first.
-- refusal, facts: why it can be neither: workflow (there is none), step (no step of that name waits
--   for a signal; facts has the names of those that do), ended (its state and reason). Then nothing
--   is changed.
-- Locks: the row of the signal, until the caller's transaction ends; a call for the same step waits
--   for that. Nothing else, so a transaction that stays open holds up no settle.
create or replace function record_signal(
    p_workflow_id text, p_step text, p_value text, p_key text default null, p_actor text default null,
    out accepted boolean, out refusal text, out facts text[]
)
language plpgsql security definer
as $$
declare
    flow  bigint;
    given record;
    ended record;
begin
    if p_value is null then
        raise exception 'a signal has a value, as JSON text' using errcode = 'null_value_not_allowed', hint = 'For none, send the text null.';
    elsif p_key is not null and name_fault(p_key, false) is not null then
        raise exception 'the key of a signal %', name_fault(p_key, false) using errcode = 'invalid_parameter_value';
    end if;
    if octet_length(p_value) > 8 << 20 then
        raise exception 'a signal has at most 8 MiB' using errcode = 'program_limit_exceeded',
              hint = 'Store the data elsewhere, and send where it is.';
    end if;
    select w.key into flow from workflows w where w.id = p_workflow_id;
    if not found then
        refusal := 'workflow';
        return;
    end if;
    -- Looked at first without a lock: a sender that comes too late holds up nobody.
    for is_locked in 0 .. 1 loop
        if is_locked = 1 then
            perform 1 from signals g where g.workflow = flow and g.name = p_step for update;
        end if;
        select g.step_id, g.sent_at, g.key into given from signals g where g.workflow = flow and g.name = p_step;
        if not found then
            refusal := 'step';
            facts := array(select g.name from signals g where g.workflow = flow order by g.step_id limit 20);
            return;
        end if;
        if given.sent_at is not null then
            accepted := coalesce(given.key = p_key, false);
            return;
        end if;
        select s.state, s.reason into ended from steps s where s.id = given.step_id and s.finished_at is not null;
        if found then
            refusal := 'ended';
            facts := array[ended.state, ended.reason];
            return;
        end if;
    end loop;
    update signals g
       set sent_at = clock_timestamp(),
           key = p_key,
           value = p_value::json,
           is_new = true,
           is_closed = false
     where g.workflow = flow
       and g.name = p_step;
    perform pg_notify(channel(), 'ripe 0');
    accepted := true;
    if p_actor is not null then
        perform note_intervention(flow, 'signal', p_actor, array[p_step]);
    end if;
end $$;
