-- Refuse a list of JSON objects, or one object, if one has a key that is not among these.
create or replace function check_keys(p_objects json, p_keys text[], p_what text) returns void
language plpgsql
as $$
declare
    unknown text;
begin
    select k.key
      into unknown
      from (
               select o.value
                 from json_array_elements(case json_typeof(p_objects) when 'array' then p_objects else '[]' end) as o(value)
                union all
               select p_objects where json_typeof(p_objects) <> 'array'
           ) as o
     cross join lateral json_object_keys(o.value) as k(key)
     where k.key <> all(p_keys)
     limit 1;
    if found then
        perform refuse(format('%s has no field ''%s'' in this version of the schema', p_what, left(unknown, 200)));
    end if;
end $$;
