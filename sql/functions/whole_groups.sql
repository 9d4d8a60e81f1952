-- What runs again if these groups run again as a whole: those in which none of p_failed is.
--
-- All that is below a sub-workflow; of a map or a returned graph, the step itself, which expands
-- anew.
create or replace function whole_groups(p_groups bigint[], p_failed bigint[]) returns bigint[]
language sql stable
as $$
    select coalesce(array_agg(distinct s.id), '{}')
      from unnest(p_groups) as g(id)
     cross join lateral unnest(with_descendants(array[g.id])) as b(id)
      join steps s on s.id = any(array[b.id])
     where s.undoes is null
       and s.finished_at is not null
       and not with_descendants(array[g.id]) && p_failed
       and (s.grouping is distinct from 'workflow')
$$;
