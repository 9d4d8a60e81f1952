-- Whether a step belongs to an earlier round of a step around it, which has begun another one
-- since.
create or replace function is_in_past_round(p_step bigint) returns boolean
language sql stable
as $$
    with recursive around(id, parent) as (
        select s.id, s.parent from steps s where s.id = p_step
         union all
        select g.id, g.parent
          from around a
          join steps g on g.id = any(array[sibling_of(a.id, a.parent)])
    )
    select exists (
        select
          from around a
          join steps g on g.id = any(array[sibling_of(a.id, a.parent)])
         where g.round > 1
           and (g.first_child is null
                or ordinal_of(a.id) < g.first_child
                or ordinal_of(a.id) >= g.first_child + g.children)
    )
$$;
