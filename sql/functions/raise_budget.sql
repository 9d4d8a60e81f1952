-- Raise the limit of a budget to at least this much, and let the steps try again that wait for it.
--
-- p_workflow_id, p_scope: of which run, and of which group in it; empty for all of it.
-- p_shared: of one that runs share its key or tag, as in `key tenant:7`; then of the hour, day or
--   month in which this is called. Null for one of the run alone.
-- p_cost, p_tokens: null leaves that limit as it is. May be repeated.
-- Returns false if the run has no such budget.
-- Locks: the budget; then entries, without waiting for any.
create or replace function raise_budget(
    p_workflow_id text, p_scope text, p_shared text, p_cost numeric, p_tokens bigint
) returns boolean
language plpgsql security definer
as $$
declare
    asked record;
begin
    perform require_read_committed();
    perform refuse(case
        when not (p_cost >= 0 and p_cost <= 1e12) or not (p_tokens >= 0 and p_tokens <= 1000000000000000) then
            'a budget is raised to 0 or more, and to at most 1e12 of cost and 1e15 tokens'
    end);
    select budget_name(w.key, b.scope, b.key) as name, budget_period(b.per, b.timezone, clock_timestamp()) as period,
           case when b.key is null then w.key end as workflow
      into asked
      from workflows w
     cross join lateral json_to_recordset(w.budgets) as b(scope text, key text, per text, timezone text)
     where w.id = p_workflow_id
       and b.scope = coalesce(p_scope, '')
       and b.key is not distinct from p_shared;
    if not found then
        return false;
    end if;
    insert into budgets as b (name, period, workflow, cost, tokens)
    values (asked.name, asked.period, asked.workflow, p_cost, p_tokens)
        on conflict (name, period) do update
       set cost = greatest(b.cost, excluded.cost),
           tokens = greatest(b.tokens, excluded.tokens),
           touched_at = clock_timestamp();
    perform wake_budget(asked.name, true);
    return true;
end $$;
