-- Whether a condition may compare with this: null, a boolean, a number, a string, or a list of
-- these.
create or replace function is_comparable(p_value json) returns boolean
language sql immutable parallel safe
as $$
    select case json_typeof(p_value)
               when 'object' then false
               when 'array' then
                   not exists (
                       select from json_array_elements(p_value) as i(item) where json_typeof(i.item) in ('array', 'object')
                   )
               else p_value is not null
           end
$$;
