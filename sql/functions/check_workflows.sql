-- Refuse workflows that Python would not have built, in a sentence, with the code of an invalid
-- parameter. What is accepted reaches an end, whatever its steps do. The time is linear in steps
-- and edges, apart from sorting them.
--
-- The parameters are those of insert_workflows. flows, ordinals: its p_flows and p_ordinals, for
-- these. The owner of the schema sets how large workflows may be, in the table insert_limits.
create or replace function check_workflows(
    p_ids text[], p_workflow_names text[], p_fingerprints text[], p_meta text[], p_scopes text[],
    p_totals integer[], p_returns integer[],
    p_names text[], p_args text[], p_arg_refs text[], p_dependencies text[], p_dependents text[], p_inputs text[],
    p_parents integer[], p_extras text[], p_term_numbers integer[], p_terms text,
    out flows integer[], out ordinals integer[]
)
language plpgsql
as $$
declare
    most  bigint := (select l.argument_bytes from insert_limits l);
    count bigint;
    fault text;
    steps given_step[];
begin
    perform check_heads(p_ids, p_workflow_names, p_fingerprints, p_meta, p_scopes, p_totals, p_returns);
    count := (select sum(t.total) from unnest(p_totals) as t(total));
    if (cardinality(p_names) = count
        and cardinality(p_args) = count
        and cardinality(p_term_numbers) = count
        and cardinality(p_arg_refs) in (0, count)
        and cardinality(p_dependencies) in (0, count)
        and cardinality(p_dependents) in (0, count)
        and cardinality(p_inputs) in (0, count)
        and cardinality(p_parents) in (0, count)
        and cardinality(p_extras) in (0, count)) is not true then
        perform refuse('the columns of the steps are not as long as the workflows say');
    end if;
    select array_agg(t.flow order by t.flow, o.ordinal), array_agg(o.ordinal order by t.flow, o.ordinal)
      into flows, ordinals
      from unnest(p_totals) with ordinality as t(total, flow)
     cross join lateral generate_series(0, t.total - 1) as o(ordinal);
    perform check_terms(p_terms::json, p_term_numbers);
    select min(format('step ''%s'' of workflow ''%s'': ', left(s.name, 200), p_ids[s.flow]) || case
               when s.name is null then 'it has no name'
               when (json_typeof(s.args::json) = 'object') is not true then 'its arguments are not a JSON object'
               when octet_length(s.args) > most then
                   format('its arguments have %s bytes as JSON, and the limit is %s', octet_length(s.args), most)
           end)
      into fault
      from unnest(flows, coalesce(p_names, '{}'), p_args) as s(flow, name, args);
    perform refuse(fault);
    if exists (select from unnest(flows, p_names) as s(flow, name) where count > cardinality(p_ids) group by s.flow, s.name having count(*) > 1) then
        perform refuse('two steps of a workflow have the same name');
    end if;

    if not exists (
        select
          from unnest(p_arg_refs, p_dependencies, p_dependents, p_inputs, p_parents, p_extras) as s(a, b, c, d, e, f)
         where coalesce(s.a, s.b, s.c, s.d, s.e::text, s.f) is not null
    ) then
        perform check_single_steps(p_ids, flows, p_names, p_terms::json);
        return;
    end if;
    steps := given_steps(
        p_ids, p_totals, flows, ordinals,
        p_names, p_arg_refs, p_dependencies, p_dependents, p_inputs, p_parents, p_extras, p_term_numbers, p_terms
    );
    perform check_groups(steps, p_returns);
    perform check_edges(steps);
    perform check_extras(steps, most);
    perform check_names(steps);
    perform check_order(steps);
end $$;
