-- How many slots a step waits for: one for each map around it that has slots, if the child of the
-- map that this step is, or is below, holds none.
--
-- Only a retry opens steps below such a child.
create or replace function count_missing_slots(p_id bigint) returns integer
language sql stable
as $$
    with recursive around(id, parent, holds_slot) as (
        select s.id, s.parent, s.holds_slot from steps s where s.id = p_id
         union all
        select g.id, g.parent, g.holds_slot
          from around a
          join steps g on g.id = any(array[sibling_of(a.id, a.parent)])
    )
    select count(*)::integer
      from around a
      join steps m on m.id = any(array[sibling_of(a.id, a.parent)])
     where m.concurrency is not null
       and not a.holds_slot
$$;
