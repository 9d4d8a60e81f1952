-- Link the steps of a returned graph to the dependencies of the step that returned it. The steps
-- have just been written, from ordinal p_first on. The dependencies are final. So a child waits
-- only for those that ended unfavourably and that it does not ignore, and finish_expansion ends it
-- at once.
--
-- A step that needs only some of its dependencies is counted by finish_expansion.
--
-- p_extras: one element a step; its `outer` has the names (see expand).
-- Locks: none; begin_expansion has taken them.
create or replace function link_outer_dependencies(p_step bigint, p_first integer, p_extras text[]) returns void
language plpgsql
as $$
declare
    child              record;
    outer_deps         integer[];
    outer_edges        smallint[];
    outer_inputs       integer[];
    outer_child_inputs integer[];
begin
    for child in
        select sibling_of(p_step, (p_first + p.n - 1)::integer) as id, (p_first + p.n - 1)::integer as ordinal,
               p.extras -> 'outer' as names
          from unnest(p_extras::json[]) with ordinality as p(extras, n)
         where p.extras -> 'outer' is not null
    loop
        outer_deps := array(
            select outer_dependency(p_step, o.name) from json_array_elements_text(child.names -> 'deps') as o(name)
        );
        outer_edges := array(select e.bits::smallint from json_array_elements_text(child.names -> 'edges') as e(bits));
        outer_inputs := array(
            select outer_dependency(p_step, o.name) from json_array_elements_text(child.names -> 'inputs') as o(name)
        );
        outer_child_inputs := array(
            select outer_dependency(p_step, o.name) from json_array_elements_text(child.names -> 'child_inputs') as o(name)
        );
        update steps c
           set dependencies = outer_deps || c.dependencies,
               edges = case
                           when outer_edges <> '{}' or c.edges is not null then
                               case
                                   when outer_edges = '{}' then array_fill(flag_bits(c), array[cardinality(outer_deps)])
                                   else outer_edges
                               end || coalesce(c.edges, array_fill(flag_bits(c), array[cardinality(c.dependencies)]))
                       end,
               inputs = nullif(outer_inputs || c.inputs, '{}'),
               child_inputs = outer_child_inputs || c.child_inputs
         where c.id = child.id
           and c.children is null;
        with unfavourable as (
            select count(*)::integer as n
              from steps c
             cross join lateral unnest(outer_deps) as o(ordinal)
              join steps d on d.id = any(array[sibling_of(p_step, o.ordinal)])
             where c.id = child.id
               and not edge_ignores(c, o.ordinal, d.state)
        )
        update steps c
           set pending = c.pending + u.n,
               state = case when c.pending + u.n > 0 then 'suspended' else c.state end
          from unfavourable u
         where c.id = child.id
           and c.children is null
           and c.needs is null;
        update steps d
           set dependents = d.dependents || child.ordinal
         where d.id = any(array(select sibling_of(p_step, o.ordinal) from unnest(outer_deps) as o(ordinal)));
    end loop;
end $$;
