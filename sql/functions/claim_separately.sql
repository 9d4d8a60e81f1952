-- Claim as claim does, but each step in a subtransaction of its own: after a claim that failed, to
-- find out which step is the reason.
--
-- A step that cannot be claimed is passed over; of a queue with limits, the queue is. A step whose results cannot be put together is
-- claimed, and its `results` say why. Returns the claimed steps in claim order (see claimed_steps);
-- and a row for each step that was passed over, in which only passed_over, the step in words, and
-- error are not null.
-- Locks: as claim_entries.
create or replace function claim_separately(
    p_pool bigint, p_queues text[], p_limits integer[], p_token uuid, p_input_bytes bigint
) returns table (
    step_id bigint, workflow_id text, workflow_name text, name text, queue text, worker text, args text, arg_refs text,
    results text, outcomes text, attempt integer, max_attempts integer, timeout double precision, is_join boolean, map text,
    generation integer, extras text, passed_over text, error text
)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
    replayed record;
    entry    record;
    claimed  record;
    limited  record;
    n        integer;
begin
    -- Without queues it takes nothing. It waits for an earlier call with this token, and returns
    -- what that took.
    replayed := claim_entries(p_pool, '{}', '{}', p_token, '{}', true, null);
    for n in 1 .. coalesce(cardinality(replayed.taken), 0) loop
        return query select d.*, null::text, null::text
                       from claimed_step(replayed.taken[n], replayed.attempts[n], replayed.joins[n], p_input_bytes) as d;
    end loop;
    if replayed.taken is not null or replayed.counts is null then
        return;
    end if;

    for i in 1 .. cardinality(p_queues) loop
        n := 0;
        if exists (select from queue_settings s where s.queue = p_queues[i]) then
            begin
                limited := claim_limited(p_pool, p_queues[i], abs(p_limits[i]), p_token, false, null);
            exception
                when insufficient_resources or operator_intervention or system_error or transaction_rollback then
                    raise;
                when others then
                    passed_over := format('queue %L', p_queues[i]);
                    error := format('%s (%s)', sqlerrm, sqlstate);
                    return next;
                    continue;
            end;
            select a.taken, a.attempts, a.joins
              into limited.taken, limited.attempts, limited.joins
              from put_aside(limited.taken, limited.attempts, limited.joins, '{}', '{}') as a;
            for k in 1 .. coalesce(cardinality(limited.taken), 0) loop
                return query select d.*, null::text, null::text
                               from claimed_step(limited.taken[k], limited.attempts[k], limited.joins[k], p_input_bytes) as d;
            end loop;
            continue;
        end if;
        for entry in
            select q.step_id
              from queue q
             where q.state = 'available' and q.lane is null and q.queue = p_queues[i]
               and (q.is_join or not is_paused(q.step_id))
             order by q.priority, q.position, q.step_id
             -- More than asked for, so that entries that cannot be claimed do not keep others from
             -- their turn.
             limit abs(p_limits[i]) + 1000
               for no key update skip locked
        loop
            exit when n = abs(p_limits[i]);
            begin
                -- available -> executing
                update queue q
                   set state = 'executing',
                       pool = p_pool,
                       token = p_token,
                       attempt = q.attempt + (not q.is_join)::integer,
                       attempted_at = clock_timestamp()
                 where q.step_id = entry.step_id
             returning q.step_id, q.attempt, q.is_join into claimed;
                n := n + 1;
            exception
                when insufficient_resources or operator_intervention or system_error or transaction_rollback then
                    raise;
                when others then
                    passed_over := step_in_words(entry.step_id);
                    error := format('%s (%s)', sqlerrm, sqlstate);
                    return next;
                    continue;
            end;
            return query select d.*, null::text, null::text
                           from claimed_step(claimed.step_id, claimed.attempt, claimed.is_join, p_input_bytes) as d;
        end loop;
    end loop;
end $$;
