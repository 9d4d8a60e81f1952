-- Record a message for the steps of a workflow that receive those of a topic: the next one takes
-- it.
--
-- p_value: JSON text. p_key: of one key, a topic keeps the first message; null for none.
-- p_actor: who sends it, if that is to be noted as an intervention; null for a program.
-- refusal, facts: why it is not recorded: workflow (there is none), ended (its state).
-- Locks: nothing but the new row; a call with the same key waits until the first one's transaction
-- ends.
create or replace function record_message(
    p_workflow_id text, p_topic text, p_value text, p_key text default null, p_actor text default null,
    out refusal text, out facts text[]
)
language plpgsql security definer
as $$
declare
    flow record;
begin
    if octet_length(p_value) > 8 << 20 then
        raise exception 'a message has at most 8 MiB' using errcode = 'program_limit_exceeded',
              hint = 'Store the data elsewhere, and send where it is.';
    end if;
    select w.key, w.state into flow from workflows w where w.id = p_workflow_id;
    if not found then
        refusal := 'workflow';
    elsif flow.state <> 'executing'
          and not exists (select from messages m where m.workflow = flow.key and m.topic = p_topic and m.key = p_key) then
        refusal := 'ended';
        facts := array[flow.state];
    else
        insert into messages (workflow, topic, key, value)
        values (flow.key, p_topic, coalesce(p_key, gen_random_uuid()::text), p_value::json)
            on conflict (workflow, topic, key) do nothing;
        if found and p_actor is not null then
            perform note_intervention(flow.key, 'send', p_actor, p_options => json_build_object('topic', p_topic));
        end if;
        perform pg_notify(channel(), 'ripe 0');
    end if;
end $$;
