-- The ordinal of the dependency that a step knows by this local name; null for none.
-- A child of a map knows the dependencies of its map that it may read. Of two of the same name it is the inner one.
create or replace function outer_dependency(p_step bigint, p_name text) returns integer
language sql stable
as $$
    select ordinal_of(d.id)
      from steps s
     cross join lateral unnest(
               s.dependencies || s.inputs || (
                   select m.dependencies from steps m where m.id = sibling_of(s.id, s.parent) and m.grouping = 'map'
               )
           ) as o(ordinal)
      join steps d on d.id = any(array[sibling_of(p_step, o.ordinal)])
     where s.id = p_step
       and local_name(d.name) = p_name
     order by length(d.name) desc
     limit 1
$$;
