-- What is wrong with the undo of a step (see baton/core/spec.py); null for nothing.
create or replace function undo_fault(p_extras json, p_kind text, p_role text, p_ordinal integer, p_total integer) returns text
language plpgsql
as $$
declare
    undo   json := p_extras -> 'undo';
    inputs integer[];
begin
    if p_extras -> 'undo_inputs' is not null then
        if undo is null or json_typeof(p_extras -> 'undo_inputs') <> 'array' then
            return 'the inputs of its undo are not a list';
        end if;
        inputs := array(select o.ordinal::integer from json_array_elements_text(p_extras -> 'undo_inputs') as o(ordinal));
        if inputs = '{}' or not are_ordinals(inputs, p_total) or p_ordinal = any(inputs) then
            return 'the inputs of its undo are not other steps in ascending order';
        end if;
    end if;
    if undo is null then
        return null;
    end if;
    if json_typeof(undo) <> 'object' then
        return 'its undo is not a JSON object';
    elsif p_role is not null then
        return 'only an ordinary step has an undo';
    end if;
    perform check_keys(undo, undo_keys(), 'an undo');
    perform check_terms(
        json_build_array(json_build_object(
            'number', 0, 'worker', undo -> 'worker', 'queue', undo -> 'queue', 'priority', undo -> 'priority',
            'max_attempts', undo -> 'max_attempts', 'timeout', undo -> 'timeout', 'takes_context', undo -> 'takes_context',
            'backoff', undo -> 'backoff', 'deadline', undo -> 'deadline', 'start_within', undo -> 'start_within',
            'lane', undo -> 'lane', 'units', undo -> 'units'
        )),
        array[0]
    );
    if undo ->> 'worker' in ('baton.workflow', 'baton.item') then
        return 'its undo is a group';
    elsif undo ->> 'worker' in ('baton.signal', 'baton.timer', 'baton.message', 'baton.run') then
        return 'its undo is a wait';
    elsif (json_typeof((undo ->> 'args')::json) = 'object') is not true then
        return 'the arguments of its undo are not a JSON object';
    elsif undo ->> 'arg_refs' is not null and not are_references((undo ->> 'arg_refs')::json) then
        return 'the references of its undo are not valid';
    end if;
    return null;
end $$;
