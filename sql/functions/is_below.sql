-- Whether a step is a child, or a child's child and so on, of one of these groups.
create or replace function is_below(p_step bigint, p_groups bigint[]) returns boolean
language sql stable
as $$
    with recursive around(id, parent) as (
        select s.id, s.parent from steps s where s.id = p_step
         union all
        select g.id, g.parent
          from around a
          join steps g on g.id = any(array[sibling_of(a.id, a.parent)])
    )
    select exists (select from around a where a.id = any(p_groups) and a.id <> p_step)
$$;
