-- Compare two JSON values as Python would: numbers by value, text by code points, lists item by
-- item. Null where the two have no order, such as text and a number; values of different types are
-- never equal.
create or replace function compare_json(p_left json, p_operator text, p_right json) returns boolean
language plpgsql immutable parallel safe
as $$
declare
    kind       text := json_typeof(p_left);
    difference integer;
begin
    if kind <> json_typeof(p_right) then
        return case p_operator when '==' then false when '!=' then true end;
    end if;
    difference := case kind
                      when 'null' then 0
                      when 'boolean' then abs((p_left #>> '{}')::boolean::integer - (p_right #>> '{}')::boolean::integer)
                      when 'number' then sign((p_left #>> '{}')::numeric - (p_right #>> '{}')::numeric)
                      when 'string' then
                          case
                              when p_left #>> '{}' = p_right #>> '{}' collate "C" then 0
                              when p_left #>> '{}' < p_right #>> '{}' collate "C" then -1
                              else 1
                          end
                      when 'array' then
                          case
                              when json_array_length(p_left) = json_array_length(p_right) and not exists (
                                       select
                                         -- Side by side: to find an item by its index,
                                         -- all before it are read again.
                                         from (
                                             select json_array_elements(p_left) as mine, json_array_elements(p_right) as theirs
                                         ) as i
                                        where compare_json(i.mine, '!=', i.theirs)
                                   ) then 0
                              else 1
                          end
                      when 'object' then case when p_left::jsonb = p_right::jsonb then 0 else 1 end
                  end;
    if p_operator not in ('==', '!=') and kind not in ('number', 'string') then
        return null;
    end if;
    return case p_operator
               when '==' then difference = 0
               when '!=' then difference <> 0
               when '<' then difference < 0
               when '<=' then difference <= 0
               when '>' then difference > 0
               when '>=' then difference >= 0
           end;
end $$;
