-- Refuse steps that are marked as outliving a cancel although they are not, or the other way round:
-- closing steps and what is below them do, and the step that ends a scope. That step waits for each
-- ordinary step of its scope.
create or replace function check_closing(p_steps given_step[]) returns void
language plpgsql
as $$
declare
    fault text;
begin
    if not exists (select from unnest(p_steps) as s where s.is_closing or s.role is not null) then
        return;
    end if;
    select min(format('step ''%s'' of workflow ''%s'': ', left(s.name, 200), s.workflow) || case
               when s.role not in ('always', 'on failure', 'gate', 'end') then format('it cannot have the role ''%s''', left(s.role, 50))
               when s.kind = 'workflow' and s.role in ('gate', 'end') then 'a group is neither a gate nor an end'
               when s.role = 'gate' and s.parent is null then 'it is a gate outside any group'
               when s.dependencies = '{}' and s.role is not null and not (s.role = 'gate' and g.extras #> '{scope,deadline}' is not null) then 'it closes or guards nothing'
               when s.is_closing and g.is_closing is not true and coalesce(s.role, 'gate') = 'gate' then
                   'it is marked as closing, and is neither a closing step nor below one'
               when not s.is_closing and (g.is_closing or s.role in ('always', 'on failure', 'end')) then 'it is not marked as closing'
           end)
      into fault
      from unnest(p_steps) as s
      left join unnest(p_steps) as g on g.place = s.place - s.ordinal + s.parent;
    perform refuse(fault);
    with ends as (
        select e.place, e.place - e.ordinal as first, e.flow, coalesce(e.parent, -1) as parent, e.dependencies
          from unnest(p_steps) as e
         where e.role = 'end'
    ), beside as (
        select e.place, o.ordinal
          from ends e
          join unnest(p_steps) as o on o.flow = e.flow and coalesce(o.parent, -1) = e.parent
         where o.role is null
    ), awaited as (
        select e.place, d.ordinal from ends e cross join lateral unnest(e.dependencies) as d(ordinal)
    )
    select min(format('step ''%s'' of workflow ''%s'' does not wait for the ordinary steps beside it alone', left(s.name, 200), s.workflow))
      into fault
      from (
          (select b.place, b.ordinal from beside b except select a.place, a.ordinal from awaited a)
           union all
          (select a.place, a.ordinal from awaited a except select b.place, b.ordinal from beside b)
      ) as x
      join unnest(p_steps) as s on s.place = x.place;
    perform refuse(fault);
end $$;
