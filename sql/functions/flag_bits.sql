-- The bits of an edge for which a step's flags stand: 1 ignores cancelled, 2 discarded, 4 skipped.
create or replace function flag_bits(p_step steps) returns smallint
language sql immutable parallel safe
return (p_step.ignore_cancelled::integer + 2 * p_step.ignore_discarded::integer + 4 * p_step.ignore_skipped::integer)::smallint;
