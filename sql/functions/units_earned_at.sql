-- When p_units of a rate, with all that start before them at p_moment, are earned.
create or replace function units_earned_at(
    p_spent timestamptz, p_units double precision, p_starts double precision, p_per double precision, p_burst double precision,
    p_moment timestamptz
) returns timestamptz
language sql immutable
return greatest(p_spent, p_moment) + make_interval(secs => (p_units - p_burst) * p_per / p_starts);
