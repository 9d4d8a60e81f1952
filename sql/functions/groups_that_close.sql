-- Which of these steps, when they are cancelled, are groups that stay open because a closing step
-- below them is not final.
create or replace function groups_that_close(p_key bigint, p_ids bigint[]) returns bigint[]
language sql stable
as $$
    with recursive around(id, parent) as (
        -- Not the closing steps themselves: one that became a group ends if it is named.
        select g.id, g.parent
          from steps s
          join steps g on g.id = any(array[sibling_of(s.id, s.parent)])
         where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
           and s.is_closing
           and s.finished_at is null
         union
        select g.id, g.parent
          from around a
          join steps g on g.id = any(array[sibling_of(a.id, a.parent)])
    )
    select coalesce(array_agg(distinct a.id), '{}')
      from around a
      join steps s on s.id = any(array[a.id])
     where a.id = any(p_ids)
       and s.first_child is not null
$$;
