-- Send a message to the steps of a workflow that receive those of a topic, from any driver and in
-- its transaction (see record_message).
--
-- p_value: JSON. p_actor: see record_message.
-- Locks: as record_message.
create or replace function send(p_workflow_id text, p_topic text, p_value text, p_key text default null, p_actor text default null) returns void
language plpgsql security definer
as $$
declare
    sent record;
begin
    sent := record_message(p_workflow_id, p_topic, p_value, p_key, p_actor);
    case sent.refusal
        when 'workflow' then
            raise exception 'there is no workflow %', quote_literal(p_workflow_id) using errcode = 'no_data_found';
        when 'ended' then
            raise exception 'workflow % is %, and takes no message any more', quote_literal(p_workflow_id), sent.facts[1]
                  using errcode = 'object_not_in_prerequisite_state';
        else
            null;
    end case;
end $$;
