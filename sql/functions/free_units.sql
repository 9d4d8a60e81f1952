-- How many units of a rate may start at p_moment: its burst, less what is not earned yet (a generic
-- cell rate algorithm). Without a rate very many.
--
-- p_spent: see queue_rates; null for a rate that was not used lately.
create or replace function free_units(
    p_spent timestamptz, p_starts double precision, p_per double precision, p_burst double precision, p_moment timestamptz
) returns bigint
language sql immutable
return case
           when p_starts is null then 1000000000000
           else greatest(0, floor(
                    p_burst - greatest(0, coalesce(extract(epoch from p_spent - p_moment), 0)::double precision * p_starts / p_per) + 1e-6
                ))::bigint
       end;
