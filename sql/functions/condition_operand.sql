-- Read what one side of a comparison names (see evaluate_condition): a part of a result, or a
-- state.
--
-- value: what was found. written: how it is written in Python.
-- fault: why there is nothing, in a sentence; null if there is something.
create or replace function condition_operand(
    p_step bigint, p_operand json,
    out value json, out written text, out fault text
)
language plpgsql stable
as $$
declare
    key record;
    dependency record;
begin
    select d.id, d.name, d.state, d.first_child, d.result
      into dependency
      from steps d
     where d.id = any(array[sibling_of(p_step, outer_dependency(p_step, p_operand ->> 'step'))]);
    if p_operand ->> 'of' = 'state' then
        written := format('state_of(''%s'')', p_operand ->> 'step');
        value := to_json(dependency.state::text);
        return;
    end if;

    written := format('result_of(''%s'')', p_operand ->> 'step');
    if dependency.state <> 'completed' then
        fault := format('%s is not there: step ''%s'' is %s', written, dependency.name, dependency.state);
        return;
    end if;
    value := case when dependency.first_child is null then dependency.result else group_result(dependency.id) end;
    for key in select k.name, k.name #>> '{}' as plain from json_array_elements(p_operand -> 'path') as k(name) loop
        written := format('%s[%s]', written, case json_typeof(key.name) when 'string' then quote_literal(key.plain) else key.plain end);
        value := case
                     when json_typeof(key.name) = 'string' and json_typeof(value) = 'object' then value -> key.plain
                     when json_typeof(key.name) = 'number' and json_typeof(value) = 'array' then value -> key.plain::integer
                 end;
        if value is null then
            fault := format('%s is not there', written);
            return;
        end if;
    end loop;
end $$;
