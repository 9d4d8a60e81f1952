-- Apply a batch of outcomes, each judged by its own token, with all their consequences. What settle, advance and tick share.
--
-- p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays: parallel, one element an outcome. The detail is the result as
--   JSON of a completed step, else plain text: the error, the reason, the cause. The trace is an error's, or null. The kind of a
--   join is joined; an expansion is a call of its own (see expand).
--   The delay is seconds: of a failed attempt until the next (null for the default), of a snoozed one.
-- accepted: parallel to them. True if the outcome took effect, now or, when the call is a replay, before: the step's
--   last accepted outcome has this token and this kind. Compared after the lock.
-- queues, counts: how many entries became available in each queue.
--
-- An entry has a token if and only if it is executing. Its state is not asked for beside the token: that would let the
-- planner join by the index of a pool's claims, where all of a batch has the same token (20 ms instead of 1 for 400).
--
-- Locks: the workflows in order of their keys, in a statement of its own; then the entries by step.
create or replace function apply_outcomes(
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_details text[], p_traces text[], p_delays double precision[],
    out accepted boolean[], out queues text[], out counts integer[]
)
language plpgsql
set search_path from current
as $$
declare
    keys     bigint[] := array(select distinct workflow_of(o.id) from unnest(p_ids) as o(id));
    moment   timestamptz;
    held     integer;
    is_mixed boolean;
    final    bigint[];
    failed   bigint[];
    delayed  text[];
begin
    perform demand_read_committed();
    perform 1 from workflows w where w.key = any(keys) order by w.key for no key update;
    moment := clock_timestamp();

    select count(*), coalesce(bool_or(h.kind <> 'completed'), false)
      into held, is_mixed
      from (
          select o.kind
            from unnest(p_ids, p_tokens, p_kinds) as o(id, token, kind)
            join queue q on q.step_id = any(array[o.id]) and q.token = o.token
           order by o.id
             for update of q
      ) as h;

    if held > 0 then
        -- executing -> completed, each with the token and the result of its own outcome
        with ended as (
            delete from queue q
             using unnest(p_ids, p_tokens, p_kinds, p_details) as o(id, token, kind, detail)
             where q.step_id = any(array[o.id])
               and q.token = o.token
               and o.kind = 'completed'
         returning q.step_id, q.token, q.attempt, q.attempted_at, q.pool, o.detail
        ), recorded as (
            update steps s
               set state = 'completed',
                   result = e.detail::json,
                   outcome = 'completed',
                   token = e.token,
                   attempt = e.attempt,
                   attempted_at = e.attempted_at,
                   pool = e.pool,
                   refusals = 0,
                   reason = null,
                   finished_at = moment
              from ended e
             where s.id = any(array[e.step_id])
         returning s.id
        )
        select coalesce(array_agg(r.id), '{}') into final from recorded r;

        if is_mixed then
            select u.final, u.queues into failed, delayed
              from apply_unfavourable(p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays, moment) as u;
            if 'joined' = any(p_kinds) then
                failed := failed || apply_joins(p_ids, p_tokens, p_kinds, moment);
            end if;
        end if;
        if cardinality(final) + coalesce(cardinality(failed), 0) > 0 then
            select c.queues, c.counts into queues, counts
              from conclude(final || failed, moment, coalesce(cardinality(failed), 0) = 0) as c;
        end if;
        queues := queues || delayed;
        counts := counts || array_fill(1, array[coalesce(cardinality(delayed), 0)]);
    end if;

    if held = cardinality(p_ids) and not is_mixed then
        accepted := array_fill(true, array[held]);
    else
        accepted := array(
            select coalesce(s.token = o.token and s.outcome = o.kind, false)
              from unnest(p_ids, p_tokens, p_kinds) with ordinality as o(id, token, kind, n)
              left join steps s on s.id = any(array[o.id])
             order by o.n
        );
    end if;
end $$;
