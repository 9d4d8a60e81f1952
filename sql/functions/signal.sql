-- Send a signal to a step of a workflow, from any driver and in its transaction (see
-- record_signal).
--
-- p_actor: see record_signal.
-- p_value: JSON. Returns true if it is recorded, by this call or an earlier one with the same key;
--   false if another signal came first.
-- Locks: as record_signal.
create or replace function signal(p_workflow_id text, p_step text, p_value text, p_key text default null, p_actor text default null) returns boolean
language plpgsql security definer
as $$
declare
    sent record;
begin
    sent := record_signal(p_workflow_id, p_step, p_value, p_key, p_actor);
    case sent.refusal
        when 'workflow' then
            raise exception 'there is no workflow %', quote_literal(p_workflow_id) using errcode = 'no_data_found';
        when 'step' then
            raise exception 'workflow % has no step % that waits for a signal', quote_literal(p_workflow_id), quote_literal(p_step)
                  using errcode = 'no_data_found',
                        hint = coalesce('Those that do: ' || nullif(array_to_string(sent.facts, ', '), ''), 'None of its steps does.');
        when 'ended' then
            raise exception 'step % of workflow % is %', quote_literal(p_step), quote_literal(p_workflow_id), sent.facts[1]
                  || coalesce(': ' || sent.facts[2], '')
                  using errcode = 'object_not_in_prerequisite_state', hint = 'Retry the step; it waits for a signal again then.';
        else
            return sent.accepted;
    end case;
end $$;
