-- Whether a step that ends in this state, discarded or cancelled, can no longer be forgiven:
-- nothing but observers depends on it, or something that does not ignore this, or nothing that has
-- begun or may still begin. See failure_is_ignored.
create or replace function is_unforgivable(p_step steps, p_state text) returns boolean
language sql stable
as $$
    select coalesce(
        bool_or(c.needs is null and not edge_ignores(c, ordinal_of(p_step.id), p_state)) or not bool_or(c.finished_at is null or has_begun(c)), true
    )
      from unnest(p_step.dependents) as o(ordinal)
      join steps c on c.id = any(array[sibling_of(p_step.id, o.ordinal)])
     where not edge_observes(c, ordinal_of(p_step.id))
$$;
