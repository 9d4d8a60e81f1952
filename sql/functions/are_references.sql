-- Whether this is a list of references as baton/core/references.py writes them: [path, step], or
-- [path, step, what is special]. A path begins with the name of a parameter.
create or replace function are_references(p_references json) returns boolean
language sql immutable parallel safe
as $$
    select json_typeof(p_references) = 'array' and coalesce((
               select bool_and(case
                          when json_typeof(r.value) <> 'array' or json_array_length(r.value) not in (2, 3) then false
                          when json_typeof(r.value -> 0) <> 'array' or json_typeof(r.value -> 1) <> 'string' then false
                          when json_typeof(r.value #> '{0,0}') is distinct from 'string' then false
                          when exists (
                              select
                                from json_array_elements(r.value -> 0) as k(key)
                               where json_typeof(k.key) <> 'string' and k.key::text !~ '^\d{1,9}$'
                          ) then false
                          when json_array_length(r.value) = 2 then true
                          when json_typeof(r.value -> 2) <> 'object' then false
                          else (select array_agg(k.key) in ('{state}', '{default}') from json_object_keys(r.value -> 2) as k(key))
                      end)
                 from json_array_elements(p_references) as r(value)
           ), false)
$$;
