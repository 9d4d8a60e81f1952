-- Expand a step whose worker returned a graph: the graph takes its place. The step becomes a group,
-- and its children and theirs are written as steps of its workflow. May be called repeatedly in one
-- transaction, each call with the next steps, the last one with p_is_last, which settles the step's
-- attempt and releases the children. May be replayed like a settle.
--
-- p_total: steps of the whole graph; its own children, p_children in number, come first. p_returns:
--   the child whose result is the group's, or null. p_scope: what bounds it as a whole (see
--   insert_workflow), or null. p_most: how many steps the workflow may have.
-- p_base: null in the first call, then what that call returned.
-- p_first: ordinal of the first step of this call. All ordinals are relative to the graph.
-- p_names …: see write_steps. Besides, p_extras may have `outer`, the names of dependencies of the
--   step, all of them final, that a child waits for (deps) and reads (inputs), and that the
--   children of a map read (child_inputs).
-- accepted, base, too_many: as in begin_expansion.
-- unknown: names in `outer` that are not dependencies of the step. Then this call wrote nothing,
--   and the transaction is to be rolled back if it had other calls.
-- Locks: the workflow, then the entry (see begin_expansion).
create or replace function expand(
    p_step bigint, p_token uuid, p_total integer, p_children integer, p_returns integer, p_scope text, p_most integer,
    p_base integer, p_first integer, p_is_last boolean,
    p_names text[], p_args text[], p_arg_refs text[], p_dependencies text[], p_dependents text[], p_inputs text[],
    p_parents integer[], p_extras text[], p_term_numbers integer[], p_terms text,
    out accepted boolean, out base integer, out too_many integer, out unknown text[]
)
language plpgsql security definer
as $$
#variable_conflict use_column
begin
    unknown := array(
        select distinct o.name
          from unnest(p_extras::json[]) as p(extras)
         cross join lateral json_array_elements_text(p.extras #> '{outer,deps}') as o(name)
         where outer_dependency(p_step, o.name) is null
    );
    if cardinality(unknown) > 0 then
        return;
    end if;
    accepted := true;
    base := p_base;
    if base is null then
        select b.accepted, b.base, b.too_many
          into accepted, base, too_many
          from begin_expansion(p_step, p_token, p_total, p_most) as b;
        if base is null then
            return;
        end if;
    end if;
    perform write_steps(
        array(select sibling_of(p_step, base + p_first + n) from generate_series(0, cardinality(p_names) - 1) as n),
        base, (select s.name || case when s.round > 1 then format('[#%s]/', s.round) else '/' end from steps s where s.id = p_step),
        ordinal_of(p_step),
        p_names, p_args, p_arg_refs, p_dependencies, p_dependents, p_inputs, p_parents, p_extras, p_term_numbers, p_terms
    );
    perform link_outer_dependencies(p_step, base + p_first, p_extras);
    if p_is_last then
        perform finish_expansion(p_step, base, p_total, p_children, base + p_returns);
        if p_scope is not null then
            perform bound_group(p_step, p_scope::json, clock_timestamp());
        end if;
    end if;
end $$;
