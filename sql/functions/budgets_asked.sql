-- The budgets that an attempt of a step asks (p_budgets of reserve_budgets), with their names.
create or replace function budgets_asked(p_step bigint, p_budgets text, p_at timestamptz)
returns table (
    name text, period text, key text, scope text, per text, timezone text, cost numeric, tokens bigint,
    need_cost numeric, need_tokens bigint, on_exceeded text
)
language sql stable
as $$
    select budget_name(workflow_of(p_step), b.scope, b.key), budget_period(b.per, b.timezone, p_at), b.key, b.scope, b.per,
           b.timezone, b.cost, b.tokens, coalesce(b.need_cost, 0), coalesce(b.need_tokens, 0),
           coalesce(b.on_exceeded, 'fail')
      from json_to_recordset(p_budgets::json) as b(
               scope text, key text, per text, timezone text, cost numeric, tokens bigint,
               need_cost numeric, need_tokens bigint, on_exceeded text
           )
$$;
