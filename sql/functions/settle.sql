-- Write attempts' outcomes and all their consequences (see apply_outcomes for the parameters). Returns, for each, whether
-- it is accepted. May be replayed: what was accepted before is answered so again, until the step accepts another outcome.
create or replace function settle(
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_details text[], p_traces text[], p_delays double precision[]
) returns boolean[]
language plpgsql security definer
as $$
declare
    applied record;
begin
    applied := apply_outcomes(p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays);
    perform notify_queues(applied.queues, applied.counts);
    return applied.accepted;
end $$;
