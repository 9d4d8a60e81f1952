-- Whether a step is below a group that failed and was forgiven: what happened in it is not undone.
create or replace function is_in_forgiven_group(p_step bigint) returns boolean
language sql stable
as $$
    with recursive around(id, parent) as (
        select g.id, g.parent
          from steps s
          join steps g on g.id = sibling_of(s.id, s.parent)
         where s.id = p_step
         union all
        select g.id, g.parent
          from around a
          join steps g on g.id = any(array[sibling_of(a.id, a.parent)])
    )
    select exists (
        select
          from around a
          join steps g on g.id = any(array[a.id])
         where g.state in ('discarded', 'cancelled')
           and failure_is_ignored(g)
    )
$$;
