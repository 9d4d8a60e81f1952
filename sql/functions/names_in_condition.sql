-- The names of the steps that a condition reads; it has passed condition_fault.
create or replace function names_in_condition(p_condition json) returns setof text
language sql stable
as $$
    with recursive parts(part) as (
        select p_condition
         union all
        select m.part
          from parts p
         cross join lateral (
             select a.value as part
               from json_array_elements(case when p.part ->> 'is' in ('all', 'any') then p.part -> 'members' else '[]' end) as a(value)
              union all
             select p.part -> 'member' where p.part ->> 'is' = 'not'
         ) as m
    )
    select p.part #>> '{left,step}' from parts p where p.part ->> 'is' in ('compare', 'in')
     union
    select n.name from parts p cross join lateral json_array_elements_text(p.part -> 'steps') as n(name)
$$;
