-- Refuse dependencies that are not ordinals of steps that the step can see: beside it, or beside a
-- group around it. Dependents have to be their inverse, except that nobody counts a group among
-- them: the first steps in it wait in its place.
create or replace function check_edges(p_steps given_step[]) returns void
language plpgsql
as $$
declare
    fault text;
begin
    select min(format('step ''%s'' of workflow ''%s'': ', left(s.name, 200), s.workflow) || case
               when not are_ordinals(s.dependencies, s.total) then 'its dependencies are not distinct steps in ascending order'
               when not are_ordinals(s.dependents, s.total) then 'its dependents are not distinct steps in ascending order'
               when s.inputs = '{}' or not are_ordinals(s.inputs, s.total) then 'its inputs are not distinct steps in ascending order'
               when not is_subset(s.inputs, s.dependencies) then 'it reads a step that it does not depend on'
           end)
      into fault
      from unnest(p_steps) as s;
    perform refuse(fault);

    with inverse as (
        select s.place - s.ordinal + d.ordinal as place, array_agg(s.ordinal order by s.ordinal) as dependents
          from unnest(p_steps) as s
         cross join lateral unnest(s.dependencies) as d(ordinal)
         where s.kind is distinct from 'workflow'
         group by 1
    )
    select min(format('step ''%s'' of workflow ''%s'': its dependents are not the steps that depend on it', left(s.name, 200), s.workflow))
      into fault
      from unnest(p_steps) as s
      left join inverse i on i.place = s.place
     where s.dependents <> coalesce(i.dependents, '{}');
    perform refuse(fault);

    select min(format('step ''%s'' of workflow ''%s'' depends on step ''%s'', ', left(x.name, 200), x.workflow, left(x.dependency, 200)) || x.fault)
      into fault
      from (
          select e.name, e.workflow, d.name as dependency,
                 case
                     when d.parent is not null and d.parent is distinct from e.parent and not starts_with(e.name, g.name || '/') then
                         'which is inside another group'
                     when d.is_closing and not e.is_closing then 'which is a closing step'
                 end as fault
            from (
                select s.place - s.ordinal + o.ordinal as dependency, s.name, s.workflow, s.parent, s.is_closing
                  from unnest(p_steps) as s
                 cross join lateral unnest(s.dependencies) as o(ordinal)
            ) as e
            join unnest(p_steps) as d on d.place = e.dependency
            left join unnest(p_steps) as g on g.place = d.place - d.ordinal + d.parent
      ) as x
     where x.fault is not null;
    perform refuse(fault);

    select min(format('step ''%s'' of workflow ''%s'' does not wait for what its group waits for', left(c.name, 200), c.workflow))
      into fault
      from unnest(p_steps) as c
      join unnest(p_steps) as g on g.place = c.place - c.ordinal + c.parent
     where g.dependencies <> '{}'
       and not is_subset(g.dependencies, c.dependencies)
       and not exists (
               select
                 from unnest(c.dependencies) as d(ordinal)
                where d.ordinal between g.first_child and g.first_child + g.children - 1
           );
    perform refuse(fault);
end $$;
