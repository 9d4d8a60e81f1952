-- How far a rate is used up (see queue_rates) when p_units more have started at p_moment.
create or replace function spent_after(
    p_spent timestamptz, p_units double precision, p_starts double precision, p_per double precision, p_moment timestamptz
) returns timestamptz
language sql immutable
return greatest(p_spent, p_moment) + make_interval(secs => p_units * p_per / p_starts);
