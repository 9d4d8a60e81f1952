-- Whether a dependent only observes its dependency with this ordinal: it waits for the end,
-- whatever that is.
create or replace function edge_observes(p_dependent steps, p_ordinal integer) returns boolean
language sql immutable parallel safe
return p_dependent.edges is not null
   and p_dependent.edges[array_position(p_dependent.dependencies, p_ordinal)] & 8 <> 0;
