-- Refuse steps that are not named and grouped as Python does it: a group comes before its children,
-- which lie side by side and have its name in front of theirs; it returns one of them, and there
-- are at most a hundred around one step.
--
-- p_returns: of each workflow the step that it returns.
create or replace function check_groups(p_steps given_step[], p_returns integer[]) returns void
language plpgsql
as $$
declare
    fault text;
begin
    select min(format('step ''%s'' of workflow ''%s'': ', left(s.name, 200), s.workflow) || case
               when s.parent is not null and (g.kind = 'workflow') is not true then 'its parent is not a group'
               when g.ordinal >= s.ordinal then 'its parent does not come before it'
               when not s.ordinal between g.first_child and g.first_child::bigint + g.children - 1 then
                   'it does not lie among the children of its parent'
               when s.parent is not null and not starts_with(s.name, g.name || '/') then
                   'its name does not begin with that of its parent'
               when s.role in ('gate', 'end') then
                   case when own.name <> '[' || s.role || ']' then format('a step with role %s is named [%s]', s.role, s.role) end
               when name_fault(own.name, true) is not null then 'its name ' || name_fault(own.name, true)
               when length(s.name) - length(replace(s.name, '/', '')) > 100 then 'there are more than 100 groups around it'
               when s.kind is distinct from 'workflow' then
                   case when s.first_child is not null or s.children is not null then 'it has children, and is no workflow' end
               when (s.first_child > s.ordinal and s.children >= 1 and s.first_child::bigint + s.children <= s.total) is not true then
                   'its children are not steps that come after it'
               when c.children is distinct from s.children then
                   format('it has %s children, and says %s', coalesce(c.children, 0), s.children)
               when not s.returns between s.first_child and s.first_child + s.children - 1 then
                   'it returns a step that is not a child of it'
           end)
      into fault
      from unnest(p_steps) as s
     cross join lateral (
         select case when s.parent is null then s.name else substr(s.name, length(s.name) - strpos(reverse(s.name), '/') + 2) end as name
        offset 0
     ) as own
      left join unnest(p_steps) as g on g.place = s.place - s.ordinal + s.parent
      left join (
          select c.place - c.ordinal + c.parent as place, count(*) as children from unnest(p_steps) as c group by 1
      ) as c on c.place = s.place;
    perform refuse(fault);
    select min(format('workflow ''%s'' returns step ''%s'', ', r.workflow, left(r.name, 200)) || case
               when r.parent is not null then 'which is inside a group'
               else 'which the engine has added'
           end)
      into fault
      from unnest(p_steps) as r
     where r.ordinal = p_returns[r.flow]
       and (r.parent is not null or r.role in ('gate', 'end'));
    perform refuse(fault);
    perform check_closing(p_steps);
end $$;
