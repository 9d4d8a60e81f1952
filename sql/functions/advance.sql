-- Settle, then claim for several queues: one round trip and one commit for a hop (see apply_outcomes, take and describe).
-- The first row says which outcomes were accepted; the others are the claims, in claim order.
-- Settles before it claims, so what the outcomes released can be claimed at once; wakes others only for work that is left.
create or replace function advance(
    p_pool bigint, p_queues text[], p_limits integer[], p_token uuid,
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_details text[], p_traces text[], p_delays double precision[]
) returns table (
    accepted boolean[],
    step_id bigint, workflow_id text, workflow_name text, name text, queue text, worker text, args text, arg_refs text,
    results text, outcomes text, attempt integer, max_attempts integer, timeout double precision, is_join boolean, map text
)
language plpgsql security definer
set search_path from current
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set lock_timeout = '1s'
as $$
#variable_conflict use_column
declare
    released text[];
    counts   integer[];
    taken    bigint[];
begin
    select a.accepted, a.queues, a.counts
      into accepted, released, counts
      from apply_outcomes(p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays) as a;
    return next;

    taken := take(p_pool, p_queues, p_limits, p_token);
    if cardinality(released) > 0 then
        -- What was claimed here needs nobody else.
        perform announce(
            released || array_agg(q.queue),
            counts || array_fill(-1, array[count(q.queue)::integer])
        )
           from queue q
          where q.step_id = any(taken);
    end if;
    return query select null::boolean[], d.* from describe(taken) as d;
end $$;
