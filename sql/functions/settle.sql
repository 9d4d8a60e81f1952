-- Write the outcomes of attempts and all their consequences.
--
-- See apply_outcomes for the parameters, for accepted and for failures. A repeated call returns the
-- same accepted, until the step accepts another outcome, and no failures.
-- Locks: workflows, then entries.
create or replace function settle(
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_details text[], p_traces text[], p_delays double precision[],
    out accepted boolean[], out failures text
)
language plpgsql security definer
as $$
declare
    applied record;
begin
    applied := apply_outcomes(p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays);
    perform notify_queues(applied.queues, applied.counts);
    perform notify_freed(applied.freed, applied.freed_lanes);
    accepted := applied.accepted;
    failures := applied.failures;
end $$;
