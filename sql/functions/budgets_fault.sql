-- What is wrong with budgets (workflows.budgets); null for nothing.
create or replace function budgets_fault(p_budgets json) returns text
language plpgsql
as $$
declare
    fault text;
begin
    if p_budgets is null then
        return null;
    elsif json_typeof(p_budgets) <> 'array' then
        return 'budgets that are not a list';
    elsif json_array_length(p_budgets) > 1000 then
        return 'more than 1,000 budgets';
    elsif exists (select from json_array_elements(p_budgets) as o where json_typeof(o.value) <> 'object') then
        return 'a budget that is not a JSON object';
    end if;
    perform check_keys(p_budgets, '{scope,cost,tokens,estimates,on_exceeded,key,per,timezone}', 'a budget');
    select min(case
               when b.scope is null then 'a budget without a scope'
               when b.cost is null and b.tokens is null then 'a budget without a limit'
               when not (b.cost >= 0 and b.cost <= 1e12) then 'a budget with an impossible cost'
               when not b.tokens >= 0 then 'a budget with less than no tokens'
               when b.on_exceeded not in ('fail', 'wait') then 'a budget that neither fails nor waits'
               when b.per not in ('hour', 'day', 'month') then 'a budget that begins anew after an unknown time'
               when b.per is not null and b.key is null then 'a budget of one run that begins anew'
               when length(b.key) not between 1 and 1000 or b.key like 'run %' then 'a budget with an impossible key'
               when not exists (select from pg_timezone_names z where z.name = coalesce(b.timezone, 'UTC')) then
                   'a budget in an unknown time zone'
               when json_typeof(b.estimates) <> 'object' then 'a budget whose estimates are not a JSON object'
           end)
      into fault
      from json_to_recordset(p_budgets) as b(
               scope text, cost numeric, tokens bigint, estimates json, on_exceeded text, key text, per text, timezone text
           );
    if fault is not null then
        return fault;
    elsif exists (
              select
                from json_array_elements(p_budgets) as b
               cross join lateral json_each(b.value -> 'estimates') as e
               where json_typeof(e.value) <> 'object'
                  or coalesce((e.value ->> 'cost')::numeric, 0) not between 0 and 1e12
                  or coalesce((e.value ->> 'tokens')::bigint, 0) < 0
          ) then
        return 'a budget with an impossible estimate';
    end if;
    return null;
end $$;
