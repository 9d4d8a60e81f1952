-- What a pool must know to run these claimed steps, in the given order.
--
-- p_ids, p_attempts, p_joins: parallel, as claim_entries returns them.
-- p_input_bytes: how large the results may be that are delivered to one step.
-- results: one JSON object with the results of the dependencies that the step reads. A dependency
--   without a result has no key in it. Or '!' and a sentence that says why they cannot be
--   delivered.
-- outcomes: what became of the same dependencies, if the worker takes a context (see outcomes_of).
--   Both have the names that dependencies have inside their group for keys.
-- extras: what few steps have, as a JSON object: `backoff`; `debug` and `budgets`, those of the
--   workflow; if the worker takes a context also `meta`, `models` and `kept`, what an earlier attempt
--   kept.
-- is_join: the step is a group whose outcome is to be settled.
-- map: the step is a map to be expanded; what its record says about that.
--
-- It has no settings of its own, so PostgreSQL makes it a part of the calling statement: the rows
-- are made only once.
create or replace function claimed_steps(p_ids bigint[], p_attempts integer[], p_joins boolean[], p_input_bytes bigint)
returns table (
    step_id bigint, workflow_id text, workflow_name text, name text, queue text, worker text, args text, arg_refs text,
    results text, outcomes text, attempt integer, max_attempts integer, timeout double precision, is_join boolean, map text,
    generation integer, extras text
)
language sql stable
as $$
    select s.id, w.id, w.name, s.name, s.queue, s.worker, s.args::text, s.arg_refs::text,
           case
               when s.inputs is not null and not k.is_join then
                   -- Nearly always each stored result is so small that all of them must be within
                   -- the limit. Decompressed, one may be 256 times as large; an outcome has at most
                   -- 2500 bytes. If one is missing here, because it is larger or a group's,
                   -- large_results puts all together.
                   coalesce(
                       (
                           select case
                                      when count(*) = cardinality(s.inputs) then
                                          coalesce(
                                              json_object_agg(r.name, r.result) filter (where r.result is not null), '{}'
                                          )::text
                                  end
                             from (
                                 select case
                                            when o.ordinal = s.undoes then ''
                                            when s.parent is null and s.undoes is null then d.name
                                            else local_name(d.name)
                                        end as name,
                                        d.result
                                   from unnest(s.inputs) as o(ordinal)
                                   join steps d on d.id = any(array[sibling_of(s.id, o.ordinal)])
                                  where d.first_child is null
                                    and coalesce(pg_column_size(d.result), 0)
                                        <= (p_input_bytes / cardinality(s.inputs) - 2500) / 256
                                 offset 0
                             ) as r
                       ),
                       large_results(s.id, s.inputs, s.takes_context, p_input_bytes)
                   )
           end,
           case
               when s.takes_context and s.inputs is not null and not k.is_join then outcomes_of(s.id, s.inputs, p_input_bytes)
           end,
           k.attempt, s.max_attempts, s.timeout, k.is_join,
           case when not k.is_join then s.map::text end,
           s.generation,
           case
               when s.backoff is not null
                    or s.takes_context and (w.meta is not null or w.models is not null or s.began)
                    or w.debug is not null
                    or w.budgets is not null then
                   json_build_object(
                       'backoff', s.backoff,
                       'debug', w.debug,
                       'budgets', w.budgets,
                       'meta', case when s.takes_context then w.meta end,
                       'models', case when s.takes_context then w.models end,
                       -- The first attempt finds nothing kept, and does not look.
                       'kept', case
                                   when s.takes_context and s.began then
                                       (select e.value from kept e where e.step_id = any(array[s.id]))
                               end
                   )::text
           end
      from unnest(p_ids, p_attempts, p_joins) with ordinality as k(id, attempt, is_join, n)
     -- `offset 0` makes each subselect a look-up, like `= any(array[…])` (see apply_consequences),
     -- at half the price. An updated table cannot be written so.
     cross join lateral (
               select r.id, r.name, r.queue, r.worker, r.args, r.arg_refs, r.inputs, r.parent, r.takes_context, r.max_attempts,
                      r.timeout, r.map, r.undoes, r.generation, r.began, r.backoff
                 from steps r
                where r.id = k.id
               offset 0
           ) as s
     cross join lateral (
               select f.id, f.name, f.meta, f.models, f.debug, f.budgets
                 from workflows f
                where f.key = workflow_of(k.id)
               offset 0
           ) as w
     order by k.n
$$;
