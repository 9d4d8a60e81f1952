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
declare
    settled record;
    claimed record;
begin
    settled := apply_outcomes(p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays);
    accepted := settled.accepted;
    return next;

    claimed := take(p_pool, p_queues, p_limits, p_token, coalesce(settled.queues, '{}'));
    -- What was claimed here needs nobody else.
    if cardinality(settled.queues) > 1
       or settled.counts[1] > coalesce(claimed.counts[array_position(p_queues, settled.queues[1])], 0) then
        perform announce(
            settled.queues || p_queues,
            settled.counts || array(select -c.n from unnest(claimed.counts) as c(n))
        );
    end if;
    return query select null::boolean[], d.* from describe(claimed.taken, claimed.attempts, claimed.joins) as d;
end $$;
