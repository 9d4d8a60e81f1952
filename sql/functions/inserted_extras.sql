-- The extras of a step of a graph (p_extras of write_steps) as they were if the graph stood behind
-- p_shift other steps of a workflow, which are its dependencies outside it. For check_item_graph.
--
-- p_edges: of all of its dependencies. p_child_inputs: those of a map outside the graph.
create or replace function inserted_extras(p_extras json, p_shift integer, p_edges integer[], p_child_inputs integer[])
returns json
language sql immutable
as $$
    select json_object_agg(e.key, e.value)
      from (
          select x.key,
                 case
                     when x.key = 'undo_inputs' and json_typeof(x.value) = 'array' then
                         to_json(array(select o.ordinal::integer + p_shift from json_array_elements_text(x.value) as o(ordinal)))
                     when x.key = 'undo' and x.value ->> 'arg_refs' is not null then
                         (
                             select json_object_agg(
                                        u.key, case when u.key = 'arg_refs' then to_json(without_holes(u.value #>> '{}')) else u.value end
                                    )
                               from json_each(x.value) as u
                         )
                     when x.key = 'kind' and json_typeof(x.value) = 'object' then
                         (
                             select json_object_agg(
                                        k.key,
                                        case
                                            when k.key in ('first_child', 'returns') and json_typeof(k.value) = 'number' then
                                                to_json((k.value #>> '{}')::integer + p_shift)
                                            when k.key = 'child_inputs' and json_typeof(k.value) = 'array' then
                                                to_json(
                                                    p_child_inputs || array(
                                                        select o.ordinal::integer + p_shift
                                                          from json_array_elements_text(k.value) as o(ordinal)
                                                    )
                                                )
                                            else k.value
                                        end
                                    )
                               from json_each(x.value) as k
                         )
                     else x.value
                 end as value
            from json_each(p_extras) as x
           where x.key not in ('outer', 'edges')
           union all
          select 'edges', to_json(p_edges)
           where p_extras -> 'edges' is not null
              or json_array_length(p_extras #> '{outer,edges}') > 0
      ) as e
$$;
