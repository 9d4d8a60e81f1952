-- These steps and, for each group among them, its children, their children, and so on.
create or replace function with_descendants(p_ids bigint[]) returns bigint[]
language sql stable
as $$
    with recursive below(id, first_child, children) as (
        select s.id, s.first_child, s.children from steps s where s.id = any(p_ids)
         union
        select c.id, c.first_child, c.children
          from below b
          join steps c on c.id >= sibling_of(b.id, b.first_child) and c.id < sibling_of(b.id, b.first_child + b.children)
    )
    select coalesce(array_agg(b.id order by b.id), '{}') from below b
$$;
