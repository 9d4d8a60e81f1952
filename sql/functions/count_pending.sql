-- How much a step waits for, from how things are: a group with children for those that are not final; any other step for the
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
               else (
                   select count(*)::integer
                     from unnest(p_step.dependencies) as o(ordinal)
                     join steps d on d.id = any(array[sibling_of(p_step.id, o.ordinal)])
                    where not counts_as_done(d.state, p_step.ignore_cancelled, p_step.ignore_discarded, p_step.ignore_skipped)
               ) + case when p_step.parent is not null then count_missing_slots(p_step.id) else 0 end
           end
$$;
