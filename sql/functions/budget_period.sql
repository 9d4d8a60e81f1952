-- When the hour, day or month of a budget began, in its time zone; empty if it does not begin anew.
create or replace function budget_period(p_per text, p_timezone text, p_at timestamptz) returns text
language sql stable parallel safe
return coalesce(to_char(date_trunc(p_per, p_at at time zone coalesce(p_timezone, 'UTC')), 'YYYY-MM-DD HH24:MI'), '');
