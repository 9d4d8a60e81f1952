-- How much a step waits for, computed from the states of other steps.
--
-- A group with children waits for those that are not final. Any other step waits for the
-- dependencies that it cannot count as done, and for slots (see count_missing_slots).
create or replace function count_pending(p_step steps) returns integer
language sql stable
as $$
    select case
               when p_step.first_child is not null then (
                   select count(*)::integer
                     from steps c
                    where c.id >= sibling_of(p_step.id, p_step.first_child)
                      and c.id < sibling_of(p_step.id, p_step.first_child + p_step.children)
                      and c.finished_at is null
               )
               when p_step.needs is not null and p_step.grouping is null then (
                   select greatest(0, p_step.needs - count(*) filter (where not x.is_observed and d.state = 'completed'))::integer
                          + count(*) filter (where x.is_observed and d.finished_at is null)::integer
                     from unnest(p_step.dependencies) as o(ordinal)
                     join steps d on d.id = any(array[sibling_of(p_step.id, o.ordinal)])
                    cross join lateral (
                        select edge_observes(p_step, o.ordinal) or d.role is not distinct from 'gate' as is_observed
                    ) as x
               )
               else (
                   select count(*)::integer
                     from unnest(p_step.dependencies) as o(ordinal)
                     join steps d on d.id = any(array[sibling_of(p_step.id, o.ordinal)])
                    where not edge_ignores(p_step, o.ordinal, d.state)
               ) + case when p_step.parent is not null then count_missing_slots(p_step.id) else 0 end
           end
$$;
