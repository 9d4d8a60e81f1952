-- Refuse the graph that each item of a map of a workflow expands into (see baton/core/item_graphs.py)
-- where Python would not have built it.
--
-- It is checked as a workflow of its own. The steps around the map that it names are put in front of
-- its steps, as steps without dependencies, and its holes are left out of its references.
create or replace function check_item_graph(p_graph json) returns void
language plpgsql
as $$
declare
    steps   json := p_graph -> 'steps';
    outside text[];
    shift   integer;
    total   integer;
    columns record;
    terms   json;
begin
    if json_typeof(p_graph) is distinct from 'object' or (json_typeof(steps) = 'array') is not true or json_array_length(steps) = 0 then
        perform refuse('the graph of the items of a map has no steps');
    end if;
    perform check_keys(p_graph, '{steps,children,returns,scope}', 'the graph of the items of a map');
    perform check_keys(steps, '{name,terms,args,references,dependencies,dependents,inputs,parent,extras}', 'a step of a map''s items');
    outside := array(
        select distinct o.name collate "C"
          from json_array_elements(steps) as s(step)
         cross join lateral json_array_elements_text(s.step #> '{extras,outer,deps}') as o(name)
         order by 1
    );
    shift := cardinality(outside);
    total := shift + json_array_length(steps);
    perform check_keys(s.step -> 'terms', terms_keys(), 'a step of a map''s items') from json_array_elements(steps) as s(step);
    perform refuse('the edges of a step of a map''s items are not as many as its dependencies')
       from json_array_elements(steps) as s(step)
      where json_array_length(s.step #> '{extras,edges}') <> json_array_length(s.step -> 'dependencies')
         or json_array_length(s.step #> '{extras,outer,edges}') not in (0, json_array_length(s.step #> '{extras,outer,deps}'));
    if (p_graph ->> 'children')::integer is distinct from
       (select count(*)::integer from json_array_elements(steps) as s(step) where s.step ->> 'parent' is null) then
        perform refuse('the graph of the items of a map has other children than it says');
    elsif p_graph #> '{scope,key}' is not null or p_graph #> '{scope,tags}' is not null then
        perform refuse('only a run has a key and tags');
    end if;

    with inner_steps as (
        select (s.n - 1)::integer as n, s.step, s.step -> 'extras' as extras, s.step #> '{extras,outer}' as outside_of
          from json_array_elements(steps) with ordinality as s(step, n)
    ), edges as (
        select s.n, array_position(outside, d.name) - 1 as dependency,
               coalesce((s.outside_of -> 'edges' ->> (d.i - 1)::integer)::integer, 0) as bits,
               exists (select from json_array_elements_text(s.outside_of -> 'inputs') as i(name) where i.name = d.name) as is_input,
               exists (select from json_array_elements_text(s.outside_of -> 'child_inputs') as i(name) where i.name = d.name) as is_child_input
          from inner_steps s
         cross join lateral json_array_elements_text(s.outside_of -> 'deps') with ordinality as d(name, i)
         union all
        select s.n, d.ordinal::integer + shift, coalesce((s.extras -> 'edges' ->> (d.i - 1)::integer)::integer, 0), false, false
          from inner_steps s
         cross join lateral json_array_elements_text(s.step -> 'dependencies') with ordinality as d(ordinal, i)
    ), all_steps as (
        select (o.n - 1)::integer as place, o.name, '{}' as args, null::text as arg_refs, '{}'::integer[] as dependencies,
               array(select e.n + shift from edges e join inner_steps i on i.n = e.n where e.dependency = o.n - 1 order by 1) as dependents,
               null::integer[] as inputs, null::integer as parent, null::text as extras
          from unnest(outside) with ordinality as o(name, n)
         union all
        select s.n + shift, s.step ->> 'name', s.step ->> 'args', without_holes(s.step ->> 'references'),
               array(select e.dependency from edges e where e.n = s.n order by 1),
               array(select d.ordinal::integer + shift from json_array_elements_text(s.step -> 'dependents') as d(ordinal)),
               nullif(
                   array(
                       select e.dependency from edges e where e.n = s.n and e.is_input
                        union all
                       select i.ordinal::integer + shift from json_array_elements_text(s.step -> 'inputs') as i(ordinal)
                        order by 1
                   ),
                   '{}'
               ),
               (s.step ->> 'parent')::integer + shift,
               case
                   when json_typeof(s.extras) = 'object' then
                       inserted_extras(
                           s.extras, shift,
                           array(select e.bits from edges e where e.n = s.n order by e.dependency),
                           array(select e.dependency from edges e where e.n = s.n and e.is_child_input order by 1)
                       )::text
                   when json_typeof(s.extras) <> 'null' then s.extras::text
               end
          from inner_steps s
    )
    select array_agg(a.name order by a.place) as names,
           array_agg(a.args order by a.place) as args,
           array_agg(a.arg_refs order by a.place) as arg_refs,
           array_agg(a.dependencies::text order by a.place) as dependencies,
           array_agg(a.dependents::text order by a.place) as dependents,
           array_agg(a.inputs::text order by a.place) as inputs,
           array_agg(a.parent order by a.place) as parents,
           array_agg(a.extras order by a.place) as extras,
           array_agg(a.place order by a.place) as numbers
      into columns
      from all_steps a;
    select json_agg(t.terms)
      into terms
      from (
          select json_build_object('number', o.n, 'worker', 'outside', 'queue', 'default', 'priority', 0, 'max_attempts', 1) as terms
            from generate_series(0, shift - 1) as o(n)
           union all
          select (
                     select json_object_agg(t.key, t.value)
                       from (
                           select e.key, e.value from json_each(s.step -> 'terms') as e
                            union all
                           select 'number', to_json(s.n + shift - 1)
                       ) as t
                 )
            from json_array_elements(steps) with ordinality as s(step, n)
      ) as t;
    perform check_workflows(
        array['the items of a map'], array[null::text], array['items'], array[null::text], array[p_graph ->> 'scope'],
        array[total], array[(p_graph ->> 'returns')::integer + shift],
        columns.names, columns.args, columns.arg_refs, columns.dependencies, columns.dependents, columns.inputs,
        columns.parents, columns.extras, columns.numbers, terms::text
    );
end $$;
