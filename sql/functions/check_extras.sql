-- Refuse what only some steps have (p_extras of write_steps) where it is not as Python writes it.
-- p_most: bytes of one step's.
create or replace function check_extras(p_steps given_step[], p_most bigint) returns void
language plpgsql
as $$
declare
    step  record;
    fault text;
begin
    for step in
        select s.name, s.workflow, s.total, s.ordinal, s.dependencies, s.extras, s.kind, s.role, s.worker, s.counts_children, s.inputs, s.arg_refs
          from unnest(p_steps) as s
         where s.extras is not null
            or s.worker in ('baton.workflow', 'baton.item', 'baton.signal', 'baton.timer', 'baton.message', 'baton.run')
            or s.counts_children
    loop
        fault := case
                     when (step.worker = 'baton.workflow') <> coalesce(step.kind = 'workflow' or step.role in ('gate', 'end'), false) then
                         'the worker baton.workflow is that of groups and of the steps that the engine adds, and of no other'
                     when (step.worker = 'baton.item') <> (step.extras #>> '{kind,graph}' is not null) then
                         'the worker baton.item is that of maps of workflows, and of no other'
                     when step.counts_children and step.kind is distinct from 'map' then 'only a map has children to count'
                     when octet_length(step.extras::text) > p_most then
                         format('its extras have %s bytes, and the limit is %s', octet_length(step.extras::text), p_most)
                     when step.extras is null then awaits_fault(null, step.worker)
                     when json_typeof(step.extras) <> 'object' then 'its extras are not a JSON object'
                     when step.kind = 'workflow' and (step.inputs is not null or step.arg_refs is not null) then 'a group reads nothing itself'
                     when step.extras -> 'scope' is not null and step.kind is distinct from 'workflow' then 'only a group has a scope'
                     else coalesce(
                         'it has ' || scope_fault(step.extras -> 'scope'),
                         kind_fault(step.extras, step.kind, step.dependencies, step.total),
                         awaits_fault(step.extras, step.worker),
                         control_fault(step.extras, step.kind, step.role, cardinality(step.dependencies)),
                         undo_fault(step.extras, step.kind, step.role, step.ordinal, step.total)
                     )
                 end;
        if fault is not null then
            perform refuse(format('step ''%s'' of workflow ''%s'': %s', left(step.name, 200), step.workflow, fault));
        end if;
    end loop;
end $$;
