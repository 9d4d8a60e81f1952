-- Write what calls of language models used, for write_records, whose parameters these are.
--
-- p_values: as baton/core/usage/call_usage.py says, with `price_version`.
-- Locks: the budgets of their steps; see charge_budgets.
create or replace function write_usage(
    p_ids bigint[], p_tokens uuid[], p_attempts integer[], p_kinds text[], p_numbers integer[], p_ages double precision[],
    p_values text[]
) returns void
language plpgsql
as $$
declare
    written record;
begin
    with written as (
        insert into model_calls (
        step_id, token, number, attempt, at,
        input_tokens, cached_tokens, cache_written_tokens, output_tokens, reasoning_tokens,
        first_chunk_seconds, is_cached, cost, run_id, run_name, step, worker,
        model_asked, model, provider, finish_reason, price_version
    )
    select r.id, r.token, r.number, r.attempt, coalesce(u.at, clock_timestamp() - interval '1 second' * r.age),
           u.input_tokens, coalesce(u.cached_tokens, 0), coalesce(u.cache_written_tokens, 0), u.output_tokens,
           coalesce(u.reasoning_tokens, 0),
           u.first_chunk_seconds, coalesce(u.is_cached, false), u.cost, w.id, w.name, s.name, s.worker,
           u.model_asked, u.model, u.provider, u.finish_reason, u.price_version
      from unnest(p_ids, p_tokens, p_attempts, p_kinds, p_numbers, p_ages, p_values)
           as r(id, token, attempt, kind, number, age, value)
     cross join lateral (select f.name, f.worker from steps f where f.id = r.id offset 0) as s
     cross join lateral (select f.id, f.name from workflows f where f.key = workflow_of(r.id) offset 0) as w
     cross join lateral json_to_record(r.value::json) as u(
               at timestamptz, input_tokens bigint, cached_tokens bigint, cache_written_tokens bigint, output_tokens bigint,
               reasoning_tokens bigint, first_chunk_seconds double precision, is_cached boolean, cost numeric,
               model_asked text, model text, provider text, finish_reason text, price_version text
           )
     where r.kind = 'usage'
            on conflict (step_id, token, number) do nothing
     returning step_id, token, number
    )
    select array_agg(n.step_id) as ids, array_agg(n.token) as tokens, array_agg(n.number) as numbers
      into written
      from written n;
    if exists (
           select
             from workflows w
            where w.key = any(array(select workflow_of(i.id) from unnest(written.ids) as i(id)))
              and w.budgets is not null
       ) then
        perform charge_budgets(written.ids, written.tokens, written.numbers);
    end if;
end $$;
