-- JSON text as a document of Baton.to_json has it: as the JSON it is, or as a string with that text in it.
create or replace function text_of_json(p_value json) returns text
language sql immutable parallel safe
return case json_typeof(p_value)
           when 'string' then p_value #>> '{}'
           else p_value::text
       end;
