-- What is wrong with the kind of a step (see write_steps); null for nothing.
create or replace function kind_fault(p_extras json, p_kind text, p_dependencies integer[], p_total integer) returns text
language plpgsql
as $$
declare
    kind   json := p_extras -> 'kind';
    inputs integer[];
begin
    perform check_keys(p_extras, extras_keys(), 'extras');
    if kind is null then
        return null;
    elsif json_typeof(kind) <> 'object' or (p_kind in ('map', 'workflow')) is not true then
        return 'its kind is neither a map nor a workflow';
    elsif p_kind = 'workflow' then
        perform check_keys(kind, '{type,first_child,children,returns}', 'a group');
        return null;
    end if;
    perform check_keys(kind, '{type,each,references,child_inputs,graph}', 'a map');
    if (json_typeof(kind -> 'each') = 'array' and json_array_length(kind -> 'each') > 0) is not true
       or exists (select from json_array_elements(kind -> 'each') as e(name) where json_typeof(e.name) <> 'string')
       or (select count(*) <> count(distinct e.name) from json_array_elements_text(kind -> 'each') as e(name)) then
        return 'the parameters that get one item each are not distinct names';
    elsif kind ->> 'references' is not null and not are_references((kind ->> 'references')::json) then
        return 'the references of its children are not valid';
    elsif (json_typeof(kind -> 'child_inputs') = 'array') is not true then
        return 'the inputs of its children are not a list';
    end if;
    if kind ->> 'graph' is not null then
        perform check_item_graph(kind -> 'graph');
    end if;
    inputs := array(select o.ordinal::integer from json_array_elements_text(kind -> 'child_inputs') as o(ordinal));
    if not are_ordinals(inputs, p_total) or not is_subset(inputs, p_dependencies) then
        return 'its children read a step that it does not depend on';
    end if;
    return null;
end $$;
