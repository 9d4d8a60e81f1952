-- Whether a discarded or cancelled step does not fail its workflow: it has dependents, and each of them ignores that state.
create or replace function failure_is_ignored(p_step steps) returns boolean
language sql stable
as $$
    select cardinality(p_step.dependents) > 0
       and not exists (
           select
             from unnest(p_step.dependents) as o(ordinal)
             join steps c on c.id = any(array[sibling_of(p_step.id, o.ordinal)])
            where not counts_as_done(p_step.state, c.ignore_cancelled, c.ignore_discarded, c.ignore_skipped)
       )
$$;
