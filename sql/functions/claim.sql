-- Claim steps for a pool.
--
-- See claim_entries for the parameters. Returns what the pool must know to run the steps, in claim
-- order (see claimed_steps).
-- Locks: as claim_entries.
create or replace function claim(p_pool bigint, p_queues text[], p_limits integer[], p_token uuid, p_input_bytes bigint)
returns table (
    step_id bigint, workflow_id text, workflow_name text, name text, queue text, worker text, args text, arg_refs text,
    results text, outcomes text, attempt integer, max_attempts integer, timeout double precision, is_join boolean, map text,
    generation integer, extras text
)
language plpgsql security definer
as $$
declare
    claimed record;
begin
    claimed := claim_entries(p_pool, p_queues, p_limits, p_token, '{}', true, null);
    if claimed.has_pauses then
        select a.taken, a.attempts, a.joins
          into claimed.taken, claimed.attempts, claimed.joins
          from put_aside(claimed.taken, claimed.attempts, claimed.joins, p_queues, claimed.counts) as a;
    end if;
    return query select d.* from claimed_steps(claimed.taken, claimed.attempts, claimed.joins, p_input_bytes) as d;
end $$;
