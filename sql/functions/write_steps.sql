-- Write the records of steps, for the functions that insert workflows and returned graphs. A group
-- that is inserted with its children waits for them alone. Its entry steps wait for its
-- dependencies.
--
-- p_ids: their ids; null for a step that is not to be written. p_base: added to each ordinal that
--   follows.
-- p_prefix: goes before each name. p_parent: the ordinal of the group of steps that name no parent,
--   as it is.
-- p_names to p_term_numbers: parallel, with one element a step; a column of nothing but nulls may
--   be empty.
-- p_dependencies, p_dependents, p_inputs: array literals of ordinals; null for none.
-- p_extras: what only some steps have, as JSON; null for nothing. Its key `kind` makes the step a
--   group of this `type`:
--     workflow   first_child, children, returns: it is inserted with its children
--     map        each, references, child_inputs: it expands later; graph: into workflows of this kind
--   Its other keys are the columns of these names; `when` is the column condition, `scope` has
--   fails_fast and deadline of a group.
-- p_terms: the terms on which steps run, as a JSON list. Most steps of a call share one of a few,
--   by its number.
-- A step that waits for a signal gets its row in `signals`, so that one may come early; one that
-- waits for a message gets its row in `receivers`.
-- Locks: none; the caller holds the lock of the workflow or has just inserted it.
create or replace function write_steps(
    p_ids bigint[], p_base integer, p_prefix text, p_parent integer,
    p_names text[], p_args text[], p_arg_refs text[], p_dependencies text[], p_dependents text[], p_inputs text[],
    p_parents integer[], p_extras text[], p_term_numbers integer[], p_terms text
) returns void
language plpgsql
as $$
begin
    if p_terms like '%"units":%' then
        perform check_units(p_terms);
    end if;
    if p_extras <> '{}' then
        update workflows w
           set has_closing = w.has_closing or f.has_closing,
               has_undo = w.has_undo or f.has_undo,
               may_fail_fast = w.may_fail_fast or f.may_fail_fast
          from (
              select workflow_of(u.id) as key,
                     bool_or(u.extras ->> 'role' is not null or u.extras -> 'undo' is not null) as has_closing,
                     bool_or(u.extras -> 'undo' is not null) as has_undo,
                     bool_or(u.extras #>> '{scope,fails_fast}' is not null) as may_fail_fast
                from unnest(p_ids, p_extras::json[]) as u(id, extras)
               where u.extras is not null and u.id is not null
               group by 1
          ) as f
         where w.key = any(array[f.key])
           and (f.has_closing and not w.has_closing or f.has_undo and not w.has_undo or f.may_fail_fast and not w.may_fail_fast);
        insert into signals (workflow, name, step_id)
        select workflow_of(u.id), p_prefix || u.name, u.id
          from unnest(p_ids, p_names, p_extras::json[]) as u(id, name, extras)
         where u.extras #>> '{awaits,type}' = 'signal'
           and u.id is not null;
        insert into receivers (workflow, topic, step_id)
        select workflow_of(u.id), u.extras #>> '{awaits,topic}', u.id
          from unnest(p_ids, p_extras::json[]) as u(id, extras)
         where u.extras #>> '{awaits,type}' = 'message'
           and u.id is not null;
    end if;
    insert into steps (
        worker, queue, lane, units, priority, max_attempts, timeout, backoff, deadline, start_within,
        scheduled_at, schedule_in, concurrency, slots,
        fails_fast, ignore_cancelled, ignore_discarded, ignore_skipped, takes_context,
        id, name, args, arg_refs, dependencies, dependents, inputs, parent,
        grouping, first_child, children, returns, map, item_graph, child_inputs,
        edges, condition, role, is_closing, is_last, needs, cancels_rest, undo, awaits, undo_inputs, pending, state
    )
    select t.worker, t.queue, t.lane, t.units, t.priority, t.max_attempts, t.timeout, t.backoff,
           coalesce(t.deadline, (n.extras #>> '{scope,deadline}')::double precision), t.start_within,
           t.scheduled_at, t.schedule_in, t.concurrency, t.concurrency, (n.extras #>> '{scope,fails_fast}')::boolean,
           coalesce(t.ignore_cancelled, false), coalesce(t.ignore_discarded, false), coalesce(t.ignore_skipped, false),
           coalesce(t.takes_context, false),
           n.id, p_prefix || n.name, n.args::json, n.arg_refs::json, n.dependencies, n.dependents, n.inputs,
           coalesce(n.parent + p_base, p_parent),
           n.kind ->> 'type', (n.kind ->> 'first_child')::integer + p_base, n.children,
           (n.kind ->> 'returns')::integer + p_base,
           case
               when n.kind ->> 'type' = 'map' then
                   json_build_object(
                       'each', n.kind -> 'each', 'references', n.kind -> 'references', 'tolerate', t.tolerate, 'needs', t.needs
                   )
           end,
           (n.kind ->> 'graph')::json,
           case
               when n.kind ->> 'type' = 'map' then
                   array(
                       select o.ordinal::integer + p_base
                         from json_array_elements_text(n.kind -> 'child_inputs') as o(ordinal)
                   )
           end,
           case
               when n.extras -> 'edges' is not null then
                   array(select e.bits::smallint from json_array_elements_text(n.extras -> 'edges') as e(bits))
           end,
           n.extras -> 'when', n.extras ->> 'role', coalesce((n.extras ->> 'is_closing')::boolean, false),
           (n.extras ->> 'is_last')::boolean, (n.extras ->> 'needs')::integer,
           coalesce((n.extras ->> 'cancels_rest')::boolean, false), n.extras -> 'undo', n.extras -> 'awaits',
           case
               when n.extras -> 'undo_inputs' is not null then
                   array(
                       select o.ordinal::integer + p_base
                         from json_array_elements_text(n.extras -> 'undo_inputs') as o(ordinal)
                   )
           end,
           case
               when n.children is not null then n.children
               when n.extras ->> 'needs' is not null then
                   (n.extras ->> 'needs')::integer
                   + (
                       select count(*)
                         from json_array_elements_text(n.extras -> 'edges') as e(bits)
                        where e.bits::integer & 8 <> 0
                   )
               else cardinality(n.dependencies)
           end,
           case
               when n.children is null and n.dependencies = '{}' and n.extras ->> 'needs' is null then 'queued'
               else 'suspended'
           end
      from (
          select u.id, u.name, u.args, u.arg_refs, u.parent, u.extras -> 'kind' as kind, u.extras, u.term_number,
                 (u.extras #>> '{kind,children}')::integer as children,
                 -- Without a base nothing is shifted: a function call for each array would double
                 -- what this takes.
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
                 case
                     when p_base = 0 then u.inputs::integer[]
                     else shift_ordinals(u.inputs::integer[], p_base)
                 end as inputs
            -- The series says how many steps to expect, to a planner that would take them for fewer than
            -- the terms. It would hash the steps then, and write them in reverse order of their ids.
            from rows from (
                     unnest(p_ids), unnest(p_names), unnest(p_args), unnest(p_arg_refs), unnest(p_dependencies),
                     unnest(p_dependents), unnest(p_inputs), unnest(p_parents), unnest(p_extras::json[]),
                     unnest(p_term_numbers), generate_series(1, cardinality(p_ids))
                 ) as u(id, name, args, arg_refs, dependencies, dependents, inputs, parent, extras, term_number)
           where u.id is not null
          -- Keeps each array from being read from its text more than once.
          offset 0
      ) as n
      join json_to_recordset(p_terms::json) as t(
               number integer,
               worker text, queue text, lane text, units integer, priority smallint, max_attempts integer, timeout double precision, backoff json,
               deadline double precision, start_within double precision,
               scheduled_at timestamptz, schedule_in double precision, concurrency integer, tolerate text, needs integer,
               ignore_cancelled boolean, ignore_discarded boolean, ignore_skipped boolean, takes_context boolean
           ) on t.number = n.term_number;
end $$;
