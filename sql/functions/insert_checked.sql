-- Insert workflows, each whole, after checking them as Python does: for roles that may not write
-- just anything.
--
-- The parameters and answers are those of insert_workflows, which takes what it is given, apart
-- from p_flows and p_ordinals: the steps of a workflow are side by side in their order.
-- Locks: as insert_workflows.
create or replace function insert_checked(
    p_ids text[], p_workflow_names text[], p_fingerprints text[], p_debug text[], p_meta text[], p_scopes text[],
    p_totals integer[], p_returns integer[],
    p_names text[], p_args text[], p_arg_refs text[], p_dependencies text[], p_dependents text[], p_inputs text[],
    p_parents integer[], p_extras text[], p_term_numbers integer[], p_terms text,
    out taken text[], out fingerprints text[], out held text[], out holders text[]
)
language plpgsql security definer
as $$
declare
    places record;
begin
    perform check_keys(p_terms::json, terms_keys(), 'a step''s terms');
    places := check_workflows(
        p_ids, p_workflow_names, p_fingerprints, p_meta, p_scopes, p_totals, p_returns,
        p_names, p_args, p_arg_refs, p_dependencies, p_dependents, p_inputs, p_parents, p_extras, p_term_numbers, p_terms
    );
    select i.taken, i.fingerprints, i.held, i.holders
      into taken, fingerprints, held, holders
      from insert_workflows(
               p_ids, p_workflow_names, p_fingerprints, p_debug, p_meta, p_scopes, p_totals, p_returns,
               places.flows, places.ordinals,
               p_names, p_args, p_arg_refs, p_dependencies, p_dependents, p_inputs, p_parents, p_extras, p_term_numbers, p_terms
           ) as i;
end $$;
