-- Whether the failure of a discarded or cancelled step is forgiven: each of its dependents ignores
-- it, and at least one of these began.
--
-- Dependents that only observe it are not counted. One that needs only some of its dependencies
-- does without this one.
create or replace function failure_is_ignored(p_step steps) returns boolean
language sql stable
as $$
    select coalesce(bool_and(c.needs is not null or edge_ignores(c, ordinal_of(p_step.id), p_step.state)) and bool_or(has_begun(c)), false)
      from unnest(p_step.dependents) as o(ordinal)
      join steps c on c.id = any(array[sibling_of(p_step.id, o.ordinal)])
     where not edge_observes(c, ordinal_of(p_step.id))
$$;
