-- Refuse references and conditions that name a step which theirs does not depend on. Steps are
-- named as inside their group.
create or replace function check_names(p_steps given_step[]) returns void
language plpgsql
as $$
declare
    fault text;
begin
    select min(format('step ''%s'' of workflow ''%s'': the references in its arguments are not valid', left(s.name, 200), s.workflow))
      into fault
      from unnest(p_steps) as s
     where s.arg_refs is not null
       and not are_references(s.arg_refs);
    perform refuse(fault);
    with wanted as (
        select s.place, r.value ->> 1 as name, 'step' as what
          from unnest(p_steps) as s
         cross join lateral json_array_elements(s.arg_refs) as r(value)
         union
        select s.place, r.value ->> 1, 'step'
          from unnest(p_steps) as s
         cross join lateral json_array_elements((s.extras #>> '{kind,references}')::json) as r(value)
         where s.kind = 'map'
         union
        select s.place, n.name, 'step'
          from unnest(p_steps) as s
         cross join lateral names_in_condition(s.extras -> 'when') as n(name)
         where s.extras -> 'when' is not null
         union
        select s.place, r.value ->> 1, 'undo'
          from unnest(p_steps) as s
         cross join lateral json_array_elements((s.extras #>> '{undo,arg_refs}')::json) as r(value)
         where r.value ->> 1 <> ''
    ), known as (
        select e.place, local_name(d.name) as name, e.what
          from (
                   select s.place, s.place - s.ordinal + o.ordinal as dependency, 'step' as what
                     from unnest(p_steps) as s
                    cross join lateral unnest(s.dependencies) as o(ordinal)
                    union all
                   select s.place, s.place - s.ordinal + o.ordinal::integer, 'undo'
                     from unnest(p_steps) as s
                    cross join lateral json_array_elements_text(s.extras -> 'undo_inputs') as o(ordinal)
               ) as e
          join unnest(p_steps) as d on d.place = e.dependency
    )
    select min(format('step ''%s'' of workflow ''%s'' refers to step ''%s'', which it does not depend on', left(s.name, 200), s.workflow, left(u.name, 200)))
      into fault
      from (select w.place, w.name, w.what from wanted w except select k.place, k.name, k.what from known k) as u
      join unnest(p_steps) as s on s.place = u.place;
    perform refuse(fault);
end $$;
