-- Write the records of steps as insert_workflow, insert_workflows and expand are given them: parallel arrays, one element a step.
--
-- p_ids: their ids; null for a step that is not to be written. p_base: what is added to each ordinal in what follows.
-- p_prefix goes before each name; p_parent is the group of the steps that name no parent.
-- p_groups: null, or a group as JSON: kind, first_child, children, returns; or of a map concurrency, map and child_inputs.
-- A group that is inserted with its children waits for them, and for nothing else: its first steps wait in its place.
create or replace function write_steps(
    p_ids bigint[], p_base integer, p_prefix text, p_parent integer,
    p_names text[], p_workers text[], p_args text[], p_arg_refs text[],
    p_queues text[], p_priorities smallint[], p_max_attempts integer[], p_timeouts double precision[],
    p_scheduled_at timestamptz[], p_schedule_in double precision[],
    p_ignore_cancelled boolean[], p_ignore_discarded boolean[], p_ignore_skipped boolean[], p_takes_context boolean[],
    p_dependencies text[], p_dependents text[], p_inputs text[], p_parents integer[], p_groups text[]
) returns void
language plpgsql
set search_path from current
as $$
begin
    -- Without a base nothing is to be shifted, and a call of a function for each array would double the time this takes.
    insert into steps (
        id, name, worker, args, arg_refs, queue, priority, max_attempts, timeout, scheduled_at, schedule_in,
        ignore_cancelled, ignore_discarded, ignore_skipped, takes_context, dependencies, dependents, inputs,
        parent, grouping, first_child, children, returns, concurrency, slots, map, child_inputs, pending, state
    )
    select n.id, p_prefix || n.name, n.worker, n.args::json, n.arg_refs::json,
           n.queue, n.priority, n.max_attempts, n.timeout, n.scheduled_at, n.schedule_in,
           n.ignore_cancelled, n.ignore_discarded, n.ignore_skipped, n.takes_context,
           case when p_base = 0 then n.dependencies::integer[] else shifted(n.dependencies::integer[], p_base) end,
           case when p_base = 0 then n.dependents::integer[] else shifted(n.dependents::integer[], p_base) end,
           case when p_base = 0 then n.inputs::integer[] else shifted(n.inputs::integer[], p_base) end,
           coalesce(n.parent + p_base, p_parent),
           n.grouping ->> 'kind', (n.grouping ->> 'first_child')::integer + p_base, (n.grouping ->> 'children')::integer,
           (n.grouping ->> 'returns')::integer + p_base, (n.grouping ->> 'concurrency')::integer,
           (n.grouping ->> 'concurrency')::integer, n.grouping -> 'map',
           case
               when n.grouping -> 'child_inputs' is not null then
                   array(select o.ordinal::integer + p_base from json_array_elements_text(n.grouping -> 'child_inputs') as o(ordinal))
           end,
           coalesce((n.grouping ->> 'children')::integer, cardinality(n.dependencies::integer[])),
           case
               when n.grouping ->> 'children' is null and n.dependencies = '{}' then 'queued'
               else 'suspended'
           end
      from unnest(
               p_ids, p_names, p_workers, p_args, p_arg_refs, p_queues, p_priorities, p_max_attempts, p_timeouts,
               p_scheduled_at, p_schedule_in, p_ignore_cancelled, p_ignore_discarded, p_ignore_skipped, p_takes_context,
               p_dependencies, p_dependents, p_inputs, p_parents, p_groups::json[]
           ) as n(
               id, name, worker, args, arg_refs, queue, priority, max_attempts, timeout,
               scheduled_at, schedule_in, ignore_cancelled, ignore_discarded, ignore_skipped, takes_context,
               dependencies, dependents, inputs, parent, grouping
           )
     where n.id is not null;
end $$;
