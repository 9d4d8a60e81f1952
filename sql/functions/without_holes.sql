-- References as JSON text, without the holes among them; null if nothing is left.
create or replace function without_holes(p_references text) returns text
language sql immutable parallel safe
as $$
    select json_agg(r.value)::text
      from json_array_elements(p_references::json) as r(value)
     where r.value #> '{2,param}' is null
$$;
