-- The ordinal of a step in its workflow: the lower 22 bits of its id.
create or replace function ordinal_of(p_step bigint) returns integer
language sql immutable parallel safe
return (p_step & 4194303)::integer;
