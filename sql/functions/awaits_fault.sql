-- What is wrong with what a step awaits in place of a worker (see baton/core/spec.py); null for
-- nothing.
create or replace function awaits_fault(p_extras json, p_worker text) returns text
language plpgsql
as $$
declare
    awaits json := p_extras -> 'awaits';
begin
    if awaits is null then
        return case when p_worker in ('baton.signal', 'baton.timer', 'baton.message', 'baton.run') then 'its worker stands for a wait, and it awaits nothing' end;
    elsif json_typeof(awaits) <> 'object' or (awaits ->> 'type' in ('signal', 'timer', 'message', 'run')) is not true then
        return 'it awaits neither a signal, nor a timer, nor a message, nor a run';
    elsif p_worker <> 'baton.' || (awaits ->> 'type') then
        return format('its worker is not baton.%s', awaits ->> 'type');
    elsif p_extras -> 'kind' is not null or p_extras -> 'undo' is not null then
        return 'a step that waits has no children, and no undo';
    elsif json_typeof(awaits -> 'seconds') <> 'number' or not (awaits ->> 'seconds')::double precision between 0 and 3162240000 then
        return 'it waits for a time that is not 0 or more seconds, and at most a hundred years';
    end if;
    if awaits ->> 'type' = 'timer' then
        perform check_keys(awaits, '{type,seconds,until}', 'a timer');
        return case
                   when (awaits -> 'seconds' is null) = (awaits -> 'until' is null) then 'a timer has either seconds or a time'
                   when awaits -> 'until' is not null then time_fault(awaits ->> 'until')
               end;
    end if;
    if awaits ->> 'type' = 'run' then
        perform check_keys(awaits, '{type,id,within}', 'another run');
        return case
                   when json_typeof(awaits -> 'id') is distinct from 'string' then 'another run has an id'
                   when json_typeof(awaits -> 'within') <> 'number' or not (awaits ->> 'within')::double precision between 0 and 3162240000 then
                       'another run may come within 0 or more seconds, and at most a hundred years'
               end;
    end if;
    perform check_keys(
        awaits,
        case awaits ->> 'type' when 'signal' then '{type,kind,seconds,default}' else '{type,topic,kind,seconds,default}' end::text[],
        'a ' || (awaits ->> 'type')
    );
    if awaits ->> 'type' = 'message' and (octet_length(awaits ->> 'topic') between 1 and 800) is not true then
        return 'a message has a topic of at most 200 characters';
    end if;
    -- Both are JSON text; what is not JSON raises.
    perform (awaits ->> 'kind')::json, (awaits ->> 'default')::json;
    return case
               when awaits -> 'default' is not null and awaits -> 'seconds' is null then
                   format('a %s with a default has a time limit', awaits ->> 'type')
           end;
end $$;
