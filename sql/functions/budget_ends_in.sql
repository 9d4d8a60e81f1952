-- Seconds until a budget begins anew; null if it does not.
create or replace function budget_ends_in(p_per text, p_timezone text, p_at timestamptz) returns double precision
language sql stable parallel safe
return extract(
           epoch from (date_trunc(p_per, p_at at time zone coalesce(p_timezone, 'UTC')) + ('1 ' || p_per)::interval)
                      at time zone coalesce(p_timezone, 'UTC') - p_at
       )::double precision;
