-- The name of a budget in its table: of a workflow, or of one of its groups, unless runs share it.
create or replace function budget_name(p_key bigint, p_scope text, p_shared text) returns text
language sql immutable parallel safe
return coalesce(p_shared, 'run ' || p_key || ' ' || p_scope);
