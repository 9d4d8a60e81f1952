-- Whether this is a JSON list of strings, at least one.
create or replace function are_texts(p_list json) returns boolean
language sql immutable parallel safe
as $$
    select json_typeof(p_list) = 'array' and coalesce((
               select bool_and(json_typeof(e.value) = 'string')
                 from json_array_elements(case json_typeof(p_list) when 'array' then p_list else '[]' end) as e(value)
           ), false)
$$;
