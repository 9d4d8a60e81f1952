-- How many children of a map may fail before it is decided that it fails: as many as it tolerates,
-- or as it does not need. Null if it says neither.
--
-- p_map: its column `map`. tolerate is a number, or a share as in 10%; needs is a number.
create or replace function map_allowance(p_map json, p_children integer) returns integer
language sql immutable
return case
           when p_map ->> 'needs' is not null then p_children - (p_map ->> 'needs')::integer
           when p_map ->> 'tolerate' like '%\%' then floor(p_children * rtrim(p_map ->> 'tolerate', '%')::numeric / 100)::integer
           else (p_map ->> 'tolerate')::integer
       end;
