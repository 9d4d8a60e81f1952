-- A worker returned a graph: it takes the step's place. The step becomes a group, its children and theirs are written as
-- steps of its workflow. May be called repeatedly in one transaction, each call with the next steps, the last with p_is_last,
-- which settles the step's attempt and releases the children. May be replayed like a settle.
--
-- p_total: steps of the whole graph, its own children, p_children in number, first. p_returns: the child whose result is
--   the group's, or null. p_most: how many steps the workflow may have. p_base: null in the first call, then what it returned.
-- p_first: relative ordinal of the first step of this call. Ordinals are relative to the graph.
-- p_names …: as in insert_workflow. p_outward: null, or as JSON the local names of the step's dependencies that this child
--   waits for (deps), that it reads (inputs), and, if it is a map, that its children read (child_inputs); they are all final.
-- accepted, base, too_many: as in begin_expansion. unknown: names that are no dependencies of the step; then nothing was written
--   by this call, and the transaction is to be rolled back if it is not the first.
create or replace function expand(
    p_step bigint, p_token uuid, p_total integer, p_children integer, p_returns integer, p_most integer,
    p_base integer, p_first integer, p_is_last boolean,
    p_names text[], p_args text[], p_arg_refs text[], p_dependencies text[], p_dependents text[], p_inputs text[],
    p_parents integer[], p_groups text[],
    p_terms integer[], p_workers text[], p_queues text[], p_priorities smallint[], p_max_attempts integer[],
    p_timeouts double precision[], p_scheduled_at timestamptz[], p_schedule_in double precision[],
    p_ignore_cancelled boolean[], p_ignore_discarded boolean[], p_ignore_skipped boolean[], p_takes_context boolean[],
    p_outward text[],
    out accepted boolean, out base integer, out too_many integer, out unknown text[]
)
language plpgsql security definer
as $$
#variable_conflict use_column
begin
    unknown := array(
        select distinct o.name
          from unnest(p_outward::json[]) as p(outward)
         cross join lateral json_array_elements_text(p.outward -> 'deps') as o(name)
         where outer_dependency(p_step, o.name) is null
    );
    if cardinality(unknown) > 0 then
        return;
    end if;
    accepted := true;
    base := p_base;
    if base is null then
        select b.accepted, b.base, b.too_many into accepted, base, too_many from begin_expansion(p_step, p_token, p_total, p_most) as b;
        if base is null then
            return;
        end if;
    end if;
    perform write_steps(
        array(select sibling_of(p_step, base + p_first + n) from generate_series(0, cardinality(p_names) - 1) as n),
        base, (select s.name || '/' from steps s where s.id = p_step), (p_step & 4194303)::integer,
        p_names, p_args, p_arg_refs, p_dependencies, p_dependents, p_inputs, p_parents, p_groups,
        p_terms, p_workers, p_queues, p_priorities, p_max_attempts, p_timeouts, p_scheduled_at, p_schedule_in,
        p_ignore_cancelled, p_ignore_discarded, p_ignore_skipped, p_takes_context
    );
    perform link_outer_dependencies(p_step, base + p_first, p_outward);
    if p_is_last then
        perform finish_expansion(p_step, base, p_total, p_children, base + p_returns);
    end if;
end $$;
