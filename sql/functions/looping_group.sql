-- The id of the group that begins another round when this step asks for one: the step whose worker
-- returned the graph, if this is the step of the graph whose result is the group's. Null for any
-- other step, which begins another round itself.
create or replace function looping_group(p_step steps) returns bigint
language sql stable
as $$
    select g.id
      from steps g
     where g.id = any(array[sibling_of(p_step.id, p_step.parent)])
       and g.grouping = 'graph'
       and case
               when g.returns is not null then g.returns = ordinal_of(p_step.id)
               else coalesce(p_step.is_last, p_step.dependents = '{}') and not exists (
                        select
                          from steps c
                         where c.id >= sibling_of(g.id, g.first_child) and c.id < sibling_of(g.id, g.first_child + g.children)
                           and coalesce(c.is_last, c.dependents = '{}')
                           and c.id <> p_step.id
                    )
           end
$$;
