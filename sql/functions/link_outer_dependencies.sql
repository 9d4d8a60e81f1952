-- Tie the steps of a returned graph, just written from ordinal p_first on, to the dependencies of the step that returned it
-- (see expand). These are final: a child waits only for those that ended unfavourably and that it does not ignore, and
-- finish_expansion ends it at once.
create or replace function link_outer_dependencies(p_step bigint, p_first integer, p_outward text[]) returns void
language plpgsql
as $$
declare
    linked record;
    awaits integer[];
    reads  integer[];
    gives  integer[];
begin
    for linked in
        select sibling_of(p_step, (p_first + p.n - 1)::integer) as id, (p_first + p.n - 1)::integer as ordinal, p.outward
          from unnest(p_outward::json[]) with ordinality as p(outward, n)
         where p.outward is not null
    loop
        awaits := array(select outer_dependency(p_step, o.name) from json_array_elements_text(linked.outward -> 'deps') as o(name));
        reads := array(select outer_dependency(p_step, o.name) from json_array_elements_text(linked.outward -> 'inputs') as o(name));
        gives := array(select outer_dependency(p_step, o.name) from json_array_elements_text(linked.outward -> 'child_inputs') as o(name));
        with unfavourable as (
            select count(*)::integer as n
              from steps c
             cross join lateral unnest(awaits) as o(ordinal)
              join steps d on d.id = any(array[sibling_of(p_step, o.ordinal)])
             where c.id = linked.id
               and not counts_as_done(d.state, c.ignore_cancelled, c.ignore_discarded, c.ignore_skipped)
        )
        update steps c
           set dependencies = awaits || c.dependencies,
               inputs = nullif(reads || c.inputs, '{}'),
               child_inputs = gives || c.child_inputs,
               pending = c.pending + u.n,
               state = case when c.pending + u.n > 0 then 'suspended' else c.state end
          from unfavourable u
         where c.id = linked.id
           and c.children is null;
        update steps d
           set dependents = d.dependents || linked.ordinal
         where d.id = any(array(select sibling_of(p_step, o.ordinal) from unnest(awaits) as o(ordinal)));
    end loop;
end $$;
