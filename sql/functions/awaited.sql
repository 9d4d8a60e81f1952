-- How much a step waits for, from how things are: a group with children for those that are not final; any other step for the
-- dependencies that it cannot count as done, and for slots (see slots_awaited).
create or replace function awaited(p_step steps) returns integer
language sql stable
set search_path from current
as $$
    select case
               when p_step.first_child is not null then (
                   select count(*)::integer
                     from steps c
                    where c.id >= sibling_of(p_step.id, p_step.first_child)
                      and c.id < sibling_of(p_step.id, p_step.first_child + p_step.children)
                      and c.finished_at is null
               )
               else (
                   select count(*)::integer
                     from unnest(p_step.dependencies) as o(ordinal)
                     join steps d on d.id = any(array[sibling_of(p_step.id, o.ordinal)])
                    where not ignores(d.state, p_step.ignore_cancelled, p_step.ignore_discarded, p_step.ignore_skipped)
               ) + case when p_step.parent is not null then slots_awaited(p_step.id) else 0 end
           end
$$;
