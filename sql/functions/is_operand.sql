-- Whether this is one side of a comparison, as condition_operand reads it: the state of a step, or
-- a part of its result.
create or replace function is_operand(p_operand json) returns boolean
language sql immutable parallel safe
as $$
    select json_typeof(p_operand -> 'step') = 'string' and case p_operand ->> 'of'
               when 'state' then true
               when 'result' then
                   json_typeof(p_operand -> 'path') = 'array' and not exists (
                       select
                         from json_array_elements(
                                  case json_typeof(p_operand -> 'path') when 'array' then p_operand -> 'path' else '[]' end
                              ) as k(key)
                        where json_typeof(k.key) <> 'string' and k.key::text !~ '^\d{1,9}$'
                   )
           end
$$;
