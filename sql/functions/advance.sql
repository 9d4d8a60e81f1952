-- Settle outcomes, then claim from several queues: one round trip and one commit for each hop.
--
-- The outcomes come first, so that the claim can take what they released. Other pools are woken
-- only for work that is left. See apply_outcomes, claim_entries and claimed_steps for the
-- parameters. Returns a row for each claimed step, in claim order; then one row with `accepted`, one
-- element an outcome, `failures`, and `memory`.
-- Locks: workflows, then entries.
create or replace function advance(
    p_pool bigint, p_queues text[], p_limits integer[], p_token uuid, p_input_bytes bigint,
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_details text[], p_traces text[], p_delays double precision[],
    p_memory text default null
) returns table (
    accepted boolean[], failures text, memory text,
    step_id bigint, workflow_id text, workflow_name text, name text, queue text, worker text, args text, arg_refs text,
    results text, outcomes text, attempt integer, max_attempts integer, timeout double precision, is_join boolean, map text,
    generation integer, extras text
)
language plpgsql security definer
as $$
declare
    settled  record;
    released text[] := '{}';
    freed    text[] := '{}';
    unused   record;
    counts   integer[] := '{}';
    claimed  record;
begin
    if cardinality(p_ids) > 0 then
        settled := apply_outcomes(p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays);
        accepted := settled.accepted;
        failures := settled.failures;
        released := coalesce(settled.queues, '{}');
        counts := coalesce(settled.counts, '{}');
        freed := coalesce(settled.freed, '{}');
    else
        -- An idle pool: it may be one of many that were woken for one step.
        perform require_read_committed();
        accepted := '{}';
    end if;

    claimed := claim_entries(p_pool, p_queues, p_limits, p_token, released || freed, cardinality(p_ids) = 0, p_memory::json);
    if claimed.has_pauses then
        select a.taken, a.attempts, a.joins, a.counts
          into claimed.taken, claimed.attempts, claimed.joins, claimed.counts
          from put_aside(claimed.taken, claimed.attempts, claimed.joins, p_queues, claimed.counts) as a;
    end if;
    -- Work that was claimed here needs no other pool.
    if cardinality(released) > 1
       or counts[1] > coalesce(claimed.counts[array_position(p_queues, released[1])], 0) then
        perform notify_queues(
            released || p_queues,
            counts || array(select -c.n from unnest(claimed.counts) as c(n))
        );
    end if;
    if cardinality(freed) > 0 then
        -- A slot that this claim did not take is another pool's. If locks kept it from that, this
        -- pool asks again at once.
        select array_agg(f.queue) as queues, array_agg(f.lane) as lanes
          into unused
          from unnest(freed, settled.freed_lanes) as f(queue, lane)
         where (select count(*) from unnest(freed) as o(queue) where o.queue = f.queue)
               > coalesce(claimed.counts[array_position(p_queues, f.queue)], 0)
           and (claimed.memory -> f.queue ->> 'next_in')::double precision is distinct from 0;
        perform notify_freed(unused.queues, unused.lanes);
    end if;
    if cardinality(claimed.taken) > 0 then
        return query
            select null::boolean[], null::text, null::text, d.*
              from claimed_steps(claimed.taken, claimed.attempts, claimed.joins, p_input_bytes) as d;
    end if;

    memory := claimed.memory::text;
    return next;
end $$;
