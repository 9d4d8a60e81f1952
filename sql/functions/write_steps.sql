-- Write the records of steps as insert_workflow, insert_workflows and expand are given them.
--
-- p_ids: their ids; null for a step that is not to be written. p_base: what is added to each ordinal in what follows.
-- p_prefix goes before each name; p_parent is the group of the steps that name no parent.
-- p_names to p_terms: parallel, one element a step; a column of nothing but nulls may be empty.
-- p_dependencies, p_dependents, p_inputs: null for none, or array literals of ordinals.
-- p_groups: null, or a group as JSON: kind, first_child, children, returns; or of a map concurrency, map and child_inputs.
-- p_terms: the number, from 1, of the step's terms in the arrays that follow: most steps of a call share one of a few.
-- A group that is inserted with its children waits for them, and for nothing else: its first steps wait in its place.
create or replace function write_steps(
    p_ids bigint[], p_base integer, p_prefix text, p_parent integer,
    p_names text[], p_args text[], p_arg_refs text[], p_dependencies text[], p_dependents text[], p_inputs text[],
    p_parents integer[], p_groups text[],
    p_terms integer[], p_workers text[], p_queues text[], p_priorities smallint[], p_max_attempts integer[],
    p_timeouts double precision[], p_scheduled_at timestamptz[], p_schedule_in double precision[],
    p_ignore_cancelled boolean[], p_ignore_discarded boolean[], p_ignore_skipped boolean[], p_takes_context boolean[]
) returns void
language plpgsql
as $$
begin
    -- Without a base nothing is to be shifted, and a call of a function for each array would double the time this takes.
    insert into steps (
        id, name, worker, queue, priority, max_attempts, timeout, scheduled_at, schedule_in,
        ignore_cancelled, ignore_discarded, ignore_skipped, takes_context, args, arg_refs, dependencies, dependents, inputs,
        parent, grouping, first_child, children, returns, concurrency, slots, map, child_inputs, pending, state
    )
    select n.id, p_prefix || n.name,
           p_workers[n.terms], p_queues[n.terms], p_priorities[n.terms], p_max_attempts[n.terms], p_timeouts[n.terms],
           p_scheduled_at[n.terms], p_schedule_in[n.terms],
           p_ignore_cancelled[n.terms], p_ignore_discarded[n.terms], p_ignore_skipped[n.terms], p_takes_context[n.terms],
           n.args::json, n.arg_refs::json, n.dependencies, n.dependents, n.inputs,
           coalesce(n.parent + p_base, p_parent),
           n.grouping ->> 'kind', (n.grouping ->> 'first_child')::integer + p_base, n.children,
           (n.grouping ->> 'returns')::integer + p_base, (n.grouping ->> 'concurrency')::integer,
           (n.grouping ->> 'concurrency')::integer, n.grouping -> 'map',
           case
               when n.grouping -> 'child_inputs' is not null then
                   array(select o.ordinal::integer + p_base from json_array_elements_text(n.grouping -> 'child_inputs') as o(ordinal))
           end,
           coalesce(n.children, cardinality(n.dependencies)),
           case
               when n.children is null and n.dependencies = '{}' then 'queued'
               else 'suspended'
           end
      from (
          select u.id, u.name, u.args, u.arg_refs, u.parent, u.grouping, u.terms,
                 (u.grouping ->> 'children')::integer as children,
                 case
                     when u.dependencies is null then '{}'
                     when p_base = 0 then u.dependencies::integer[]
                     else shift_ordinals(u.dependencies::integer[], p_base)
                 end as dependencies,
                 case
                     when u.dependents is null then '{}'
                     when p_base = 0 then u.dependents::integer[]
                     else shift_ordinals(u.dependents::integer[], p_base)
                 end as dependents,
                 case when p_base = 0 then u.inputs::integer[] else shift_ordinals(u.inputs::integer[], p_base) end as inputs
            from unnest(
                     p_ids, p_names, p_args, p_arg_refs, p_dependencies, p_dependents, p_inputs, p_parents,
                     p_groups::json[], p_terms
                 ) as u(id, name, args, arg_refs, dependencies, dependents, inputs, parent, grouping, terms)
           where u.id is not null
          -- Each array is read from its text once.
          offset 0
      ) as n;
end $$;
