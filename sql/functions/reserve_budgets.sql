-- Reserve what an attempt of a step is expected to use, of each budget that the step is under, or of
-- none of them.
--
-- p_token: of the claim. p_budgets: a JSON list; of each budget its limits `cost` and `tokens`, what
--   the attempt needs, `need_cost` and `need_tokens`, and what names it (see StoredBudget).
-- why: a sentence if it does not fit; null if all is reserved.
-- is_final: the step is to fail. seconds: else after how long to ask again.
-- A reservation counts while the entry of the step has its token: it ends with the attempt, whatever
-- ends that. May be repeated.
-- Locks: the budgets in the order of their names. Entries are read, and not locked: a settle waits
-- for the budget before it commits what its attempt spent.
create or replace function reserve_budgets(
    p_step bigint, p_token uuid, p_budgets text,
    out why text, out is_final boolean, out seconds double precision
)
language plpgsql security definer
as $$
declare
    moment  timestamptz := clock_timestamp();
    asked   record;
    spent   record;
    is_held boolean;
begin
    perform require_read_committed();
    insert into budgets (name, period, workflow)
    select b.name, b.period, case when b.key is null then workflow_of(p_step) end
      from budgets_asked(p_step, p_budgets, moment) as b
     order by b.name, b.period
        on conflict (name, period) do nothing;
    for asked in
        select a.name, a.period from budgets_asked(p_step, p_budgets, moment) as a order by a.name, a.period
    loop
        perform 1 from budgets b where b.name = asked.name and b.period = asked.period for no key update;
    end loop;
    for asked in
        select a.name, a.period, a.key, a.scope, a.cost, a.tokens, a.need_cost, a.need_tokens, a.on_exceeded, a.per, a.timezone
          from budgets_asked(p_step, p_budgets, moment) as a
         order by a.name, a.period
    loop
        delete from budget_reservations r
         where r.name = asked.name
           and r.period = asked.period
           and not exists (select from queue q where q.step_id = r.step_id and q.token = r.token);
        select b.spent_cost, b.spent_tokens, b.unpriced,
               greatest(asked.cost, b.cost) as cost, greatest(asked.tokens, b.tokens) as tokens,
               coalesce(h.cost, 0) as held_cost, coalesce(h.tokens, 0) as held_tokens
          into spent
          from budgets b
         cross join lateral (
                   select sum(greatest(0, r.cost - r.spent_cost)) as cost,
                          sum(greatest(0, r.tokens - r.spent_tokens)) as tokens
                     from budget_reservations r
                    where r.name = asked.name
                      and r.period = asked.period
                      and (r.step_id, r.token) <> (p_step, p_token)
               ) as h
         where b.name = asked.name
           and b.period = asked.period;
        why := budget_fault(
            case when asked.cost is not null then spent.cost end, case when asked.tokens is not null then spent.tokens end,
            spent.spent_cost, spent.spent_tokens, asked.need_cost, asked.need_tokens, spent.unpriced
        );
        is_held := why is null;
        is_final := why is not null and asked.on_exceeded = 'fail';
        seconds := case
                       when why is null then 5
                       else least(300, coalesce(budget_ends_in(asked.per, asked.timezone, moment), 300))
                   end;
        why := coalesce(
            why,
            budget_fault(
                case when asked.cost is not null then spent.cost end, case when asked.tokens is not null then spent.tokens end,
                spent.spent_cost + spent.held_cost, spent.spent_tokens + spent.held_tokens,
                asked.need_cost, asked.need_tokens, 0
            ) || '; a part of that is what other attempts have reserved'
        );
        if why is not null then
            why := format(
                'the budget of %s %s',
                case
                    when asked.key is not null then quote_literal(asked.key) || coalesce(' for this ' || asked.per, '')
                    when asked.scope <> '' then quote_literal(asked.scope)
                    else 'the run'
                end,
                why
            );
            if not is_final then
                insert into budget_waits (name, period, step_id, is_held)
                values (asked.name, asked.period, p_step, is_held)
                    on conflict (name, period, step_id) do update set is_held = excluded.is_held;
            end if;
            return;
        end if;
    end loop;
    insert into budget_reservations (name, period, step_id, token, cost, tokens)
    select a.name, a.period, p_step, p_token, a.need_cost, a.need_tokens
      from budgets_asked(p_step, p_budgets, moment) as a
        on conflict (name, period, step_id, token) do nothing;
    delete from budget_waits w where w.step_id = p_step;
    is_final := false;
end $$;
