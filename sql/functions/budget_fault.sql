-- Why what an attempt needs does not fit into a budget; null if it does. A null limit is none.
--
-- p_unpriced: how many calls have a cost that nobody knows.
create or replace function budget_fault(
    p_cost numeric, p_tokens bigint, p_spent_cost numeric, p_spent_tokens numeric, p_need_cost numeric, p_need_tokens bigint,
    p_unpriced integer
) returns text
language sql immutable parallel safe
return case
           when p_cost is not null and p_unpriced > 0 then
               format(
                   'cannot be kept: %s of its calls have no price; give WorkerPool(prices=...) one, or a budget of tokens',
                   p_unpriced
               )
           when p_spent_cost + p_need_cost > p_cost or p_spent_cost >= p_cost then
               format(
                   'is used up: $%s of $%s are spent, and this attempt needs $%s', trim_scale(p_spent_cost),
                   trim_scale(p_cost), trim_scale(p_need_cost)
               )
           when p_spent_tokens + p_need_tokens > p_tokens or p_spent_tokens >= p_tokens then
               format(
                   'is used up: %s of %s tokens are spent, and this attempt needs %s', p_spent_tokens, p_tokens, p_need_tokens
               )
       end;
