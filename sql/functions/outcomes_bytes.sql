-- How many bytes outcomes_of returns for these dependencies of a step, at most.
create or replace function outcomes_bytes(p_step bigint, p_ordinals integer[]) returns bigint
language sql stable
as $$
    select coalesce(sum(octet_length(c.name) + coalesce(octet_length(c.reason), 0) + 50), 0)
      from unnest(p_ordinals) as o(ordinal)
      join steps d on d.id = any(array[sibling_of(p_step, o.ordinal)])
     cross join lateral (
               select d.name, d.reason
                union all
               select e.name, e.reason
                 from steps e
                where e.id >= sibling_of(d.id, d.first_child) and e.id < sibling_of(d.id, d.first_child + d.children)
           ) as c
$$;
