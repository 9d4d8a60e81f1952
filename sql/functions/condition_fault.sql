-- What is wrong with the form of a condition (see baton/core/conditions.py); null for nothing.
-- evaluate_condition calls itself, so the depth is limited.
create or replace function condition_fault(p_condition json) returns text
language sql stable
as $$
    with recursive parts(part, depth) as (
        select p_condition, 1
         union all
        select m.part, p.depth + 1
          from parts p
         cross join lateral (
             select a.value as part
               from json_array_elements(
                        case when p.part ->> 'is' in ('all', 'any') and json_typeof(p.part -> 'members') = 'array' then p.part -> 'members' else '[]' end
                    ) as a(value)
              union all
             select p.part -> 'member' where p.part ->> 'is' = 'not' and p.part -> 'member' is not null
         ) as m
         where p.depth <= 100
    )
    select case
               when max(p.depth) > 100 then 'its condition is nested more than 100 deep'
               when not bool_and(coalesce(case p.part ->> 'is'
                   when 'all' then json_array_length(p.part -> 'members') > 0
                   when 'any' then json_array_length(p.part -> 'members') > 0
                   when 'not' then p.part -> 'member' is not null
                   when 'failed' then are_texts(p.part -> 'steps')
                   when 'succeeded' then are_texts(p.part -> 'steps')
                   when 'in' then is_operand(p.part -> 'left') and is_comparable(p.part -> 'values') and json_typeof(p.part -> 'values') = 'array'
                   when 'compare' then
                       is_operand(p.part -> 'left')
                       and p.part ->> 'operator' in ('==', '!=', '<', '<=', '>', '>=')
                       and is_comparable(p.part -> 'right')
               end, false)) then 'its condition is not one that can be evaluated'
           end
      from parts p
$$;
