-- Add what calls of language models used to the budgets of their steps, and let steps that wait for
-- room in them try again.
--
-- p_ids, p_tokens, p_numbers: parallel; the calls, which were written a moment ago, once each.
-- A call without a price counts as what its attempt has reserved.
-- Locks: the budgets in the order of their names; then entries, without waiting for any.
create or replace function charge_budgets(p_ids bigint[], p_tokens uuid[], p_numbers integer[]) returns void
language plpgsql
as $$
declare
    charged record;
begin
    for charged in
        select u.name, u.period, u.workflow, sum(coalesce(c.cost, r.cost, 0)) as cost,
               sum(c.input_tokens + c.output_tokens)::bigint as tokens,
               count(*) filter (where c.cost is null and coalesce(r.cost, 0) = 0)::integer as unpriced
          from unnest(p_ids, p_tokens, p_numbers) as n(id, token, number)
          join model_calls c on c.step_id = n.id and c.token = n.token and c.number = n.number
         cross join lateral (
                   select f.key, f.budgets from workflows f where f.key = workflow_of(n.id) and f.budgets is not null offset 0
               ) as w
         cross join lateral (
                   select budget_name(w.key, b.scope, b.key) as name,
                          budget_period(b.per, b.timezone, clock_timestamp()) as period_now,
                          case when b.key is null then w.key end as workflow
                     from json_to_recordset(w.budgets) as b(scope text, key text, per text, timezone text)
                    where b.scope = ''
                       or starts_with(regexp_replace(c.step, '\[[^\]]*\]', '', 'g'), b.scope || '/')
               ) as a
          left join lateral (
                   select h.period, h.cost
                     from budget_reservations h
                    where h.name = a.name and h.step_id = n.id and h.token = n.token
                    limit 1
               ) as r on true
         cross join lateral (select a.name, coalesce(r.period, a.period_now) as period, a.workflow) as u
         group by u.name, u.period, u.workflow
         order by u.name, u.period
    loop
        insert into budgets as b (name, period, workflow, spent_cost, spent_tokens, unpriced)
        values (charged.name, charged.period, charged.workflow, charged.cost, charged.tokens, charged.unpriced)
            on conflict (name, period) do update
           set spent_cost = b.spent_cost + excluded.spent_cost,
               spent_tokens = b.spent_tokens + excluded.spent_tokens,
               unpriced = b.unpriced + excluded.unpriced,
               touched_at = clock_timestamp();
        update budget_reservations r
           set spent_cost = r.spent_cost + s.cost,
               spent_tokens = r.spent_tokens + s.tokens
          from (
              select n.id, n.token, sum(coalesce(c.cost, 0)) as cost, sum(c.input_tokens + c.output_tokens)::bigint as tokens
                from unnest(p_ids, p_tokens, p_numbers) as n(id, token, number)
                join model_calls c on c.step_id = n.id and c.token = n.token and c.number = n.number
               group by n.id, n.token
          ) as s
         where r.name = charged.name
           and r.period = charged.period
           and r.step_id = s.id
           and r.token = s.token;
        perform wake_budget(charged.name, false);
    end loop;
end $$;
