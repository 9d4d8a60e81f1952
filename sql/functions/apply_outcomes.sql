-- Apply a batch of outcomes, each judged by its own token, with all their consequences. What settle, advance and tick share.
--
-- p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays: parallel, one element an outcome. The detail is the result as
--   JSON of a completed step, else plain text: the error, the reason, the cause. The trace is an error's, or null. The kind of a
--   join is joined; an expansion is a call of its own (see expand).
--   The delay is seconds: of a failed attempt until the next (null for the default), of a snoozed one.
--   Traces or delays that are all null may be empty arrays.
-- accepted: parallel to them. True if the outcome took effect, now or, when the call is a replay, before: the step's
--   last accepted outcome has this token and this kind. Compared after the lock.
-- queues, counts: how many entries became available in each queue.
--
-- An entry has a token if and only if it is executing. Its state is not asked for beside the token: that would let the
-- planner join by the index of a pool's claims, where all of a batch has the same token (20 ms instead of 1 for 400).
--
-- Locks: the workflows in order of their keys, in a statement of its own. That locks their executing entries as well: who takes
-- entries without it (claim and stage) keeps none that executes (see claim_entries). What deletes or updates them judges the token once more.
create or replace function apply_outcomes(
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_details text[], p_traces text[], p_delays double precision[],
    out accepted boolean[], out queues text[], out counts integer[]
)
language plpgsql
as $$
declare
    moment   timestamptz;
    is_mixed boolean := not 'completed' = all(p_kinds);
    final    bigint[];
    followed bigint[];
    noted    bigint[];
    undone   bigint[];
    unended  record;
    failed   bigint[];
    delayed  text[];
    drawn    record;
begin
    perform require_read_committed();
    perform 1
       from workflows w
      where w.key = any(array(select workflow_of(o.id) from unnest(p_ids) as o(id)))
      order by w.key
        for no key update;
    moment := clock_timestamp();

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
               began = true,
               misfit_at = null,
               reason = null,
               finished_at = moment
          from ended e
         where s.id = any(array[e.step_id])
     returning s.id, s.dependents, s.parent, s.watched, s.undoes
    )
    select coalesce(array_agg(r.id), '{}'),
           coalesce(array_agg(r.id) filter (where cardinality(r.dependents) > 0), '{}'),
           coalesce(array_agg(r.id) filter (where r.watched or r.parent is not null), '{}'),
           array_agg(sibling_of(r.id, r.undoes)) filter (where r.undoes is not null)
      into final, followed, noted, undone
      from recorded r;
    if undone is not null then
        -- As if it had never begun; a service that is asked again must not take it for the same call.
        update steps s
           set began = false,
               generation = s.generation + 1
         where s.id = any(undone);
    end if;

    if is_mixed then
        select u.final, u.queues into failed, delayed
          from apply_other_outcomes(p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays, moment) as u;
        if 'joined' = any(p_kinds) then
            failed := failed || apply_joins(p_ids, p_tokens, p_kinds, moment);
        end if;
    end if;
    if cardinality(final) + coalesce(cardinality(failed), 0) > 0 then
        drawn := apply_consequences(final || failed, moment, coalesce(cardinality(failed), 0) = 0, followed || failed, noted || failed);
        queues := drawn.queues;
        counts := drawn.counts;
    end if;
    queues := queues || delayed;
    counts := counts || array_fill(1, array[coalesce(cardinality(delayed), 0)]);

    if cardinality(final) = cardinality(p_ids) then
        accepted := array_fill(true, array[cardinality(p_ids)]);
    else
        accepted := array(
            select coalesce(s.token = o.token and s.outcome = o.kind, false)
              from unnest(p_ids, p_tokens, p_kinds) with ordinality as o(id, token, kind, n)
              left join steps s on s.id = any(array[o.id])
             order by o.n
        );
        if false = any(accepted) then
            unended := end_attempts(p_ids, p_tokens);
            queues := queues || unended.queues;
            counts := counts || unended.counts;
        end if;
    end if;
end $$;
