-- The steps of workflows that are to be inserted, as check_workflows looks at them; the parameters
-- are its own. Array literals have to be as PostgreSQL writes them, since other functions compare
-- them with '{}'.
create or replace function given_steps(
    p_ids text[], p_totals integer[], p_flows integer[], p_ordinals integer[],
    p_names text[], p_arg_refs text[], p_dependencies text[], p_dependents text[], p_inputs text[],
    p_parents integer[], p_extras text[], p_term_numbers integer[], p_terms text
) returns given_step[]
language plpgsql
as $$
declare
    steps given_step[];
begin
    select array_agg(
               row(
                   n.place::integer, p_ids[n.flow], n.flow, n.ordinal, p_totals[n.flow], n.name, n.parent,
                   coalesce(n.dependencies::integer[], '{}'), coalesce(n.dependents::integer[], '{}'), n.inputs::integer[],
                   n.arg_refs::json, n.extras, n.extras #>> '{kind,type}', (n.extras #>> '{kind,first_child}')::integer,
                   (n.extras #>> '{kind,children}')::integer, (n.extras #>> '{kind,returns}')::integer,
                   n.extras ->> 'role', coalesce((n.extras ->> 'is_closing')::boolean, false), t.worker,
                   t.concurrency is not null or t.tolerate is not null or t.needs is not null
               )::given_step
               order by n.place
           )
      into steps
      from unnest(
               p_flows, p_ordinals, p_names, p_arg_refs, p_dependencies, p_dependents, p_inputs, p_parents, p_extras::json[],
               p_term_numbers
           ) with ordinality
           as n(flow, ordinal, name, arg_refs, dependencies, dependents, inputs, parent, extras, term_number, place)
      join json_to_recordset(p_terms::json) as t(number integer, worker text, concurrency integer, tolerate text, needs integer)
           on t.number = n.term_number;
    if exists (
        select
          from unnest(p_dependencies || p_dependents || p_inputs) as l(literal)
         where l.literal <> l.literal::integer[]::text
    ) then
        perform refuse('the ordinals of a step are not written as PostgreSQL writes an array');
    end if;
    return steps;
end $$;
