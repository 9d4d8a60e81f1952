-- What a pool must know to run these claimed steps, in the given order; the attempts, and which are joins, as take says them.
-- By name in each case is by the name a dependency has inside its group.
--
-- In SQL and without settings of its own, so that it becomes a part of its caller's statement: the rows are made once.
--
-- results: of the dependencies that the step reads, as one JSON object by name; one that has no result has no key in it.
-- outcomes: of the same, if the worker takes a context: by name its state, its reason and, of a group, its children as
--   [name, state, reason].
-- is_join: the step is a group to be judged. map: it is a map to be expanded, by what its record says.
create or replace function claimed_steps(p_ids bigint[], p_attempts integer[], p_joins boolean[], p_input_bytes bigint)
returns table (
    step_id bigint, workflow_id text, workflow_name text, name text, queue text, worker text, args text, arg_refs text,
    results text, outcomes text, attempt integer, max_attempts integer, timeout double precision, is_join boolean, map text,
    refused_seconds double precision, undeliverable text, generation integer
)
language sql stable
as $$
    select s.id, w.id, w.name, s.name, s.queue, s.worker, s.args::text, s.arg_refs::text,
           case
               when s.inputs is not null and not k.is_join and i.why is null then (
                   select coalesce(json_object_agg(r.name, r.result), '{}')::text
                     from (
                         select case
                                    when o.ordinal = s.undoes then ''
                                    when s.parent is null and s.undoes is null then d.name
                                    else local_name(d.name)
                                end as name,
                                case when d.first_child is null then d.result else group_result(d.id) end as result
                           from unnest(s.inputs) as o(ordinal)
                           join steps d on d.id = any(array[sibling_of(s.id, o.ordinal)])
                         offset 0
                     ) as r
                    where r.result is not null
               )
           end,
           case
               when s.takes_context and s.inputs is not null and not k.is_join and i.why is null then outcomes_of(s.id, s.inputs)
           end,
           k.attempt, s.max_attempts, s.timeout, k.is_join,
           case when not k.is_join then s.map::text end,
           extract(epoch from clock_timestamp() - s.misfit_at)::double precision,
           i.why, s.generation
      from unnest(p_ids, p_attempts, p_joins) with ordinality as k(id, attempt, is_join, n)
     -- Each in a sub-select, which `offset 0` keeps apart: all the planner can make of it is a look-up, as of `= any(array[…])` (see
     -- conclude), for half of that one's price. What is updated cannot be written so.
     cross join lateral (
               select r.id, r.name, r.queue, r.worker, r.args, r.arg_refs, r.inputs, r.parent, r.takes_context, r.max_attempts,
                      r.timeout, r.map, r.misfit_at, r.undoes, r.generation
                 from steps r
                where r.id = k.id
               offset 0
           ) as s
     cross join lateral (select f.id, f.name from workflows f where f.key = workflow_of(k.id) offset 0) as w
     -- Stored sizes are known without reading the results. Compressed, these may be 256 times as large.
     cross join lateral (
               select case
                          when 256 * sum(
                                   case
                                       when d.first_child is not null then p_input_bytes
                                       else coalesce(pg_column_size(d.result), 0) + coalesce(pg_column_size(d.reason), 0) + 100
                                   end
                               ) > p_input_bytes
                              then undeliverable(s.id, s.inputs, s.takes_context, p_input_bytes)
                      end as why
                 from unnest(case when not k.is_join then s.inputs end) as o(ordinal)
                 join steps d on d.id = any(array[sibling_of(s.id, o.ordinal)])
           ) as i
     order by k.n
$$;
