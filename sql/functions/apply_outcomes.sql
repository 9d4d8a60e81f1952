-- Apply a batch of outcomes with all their consequences.
--
-- Shared by settle, advance and rescue. Each outcome counts only under its own token.
-- p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays: parallel, one element an outcome.
--   p_kinds: see apply_other_outcomes; `joined` for a join; `overrun` for failed while its code
--   still runs. An expansion is a call of its own (expand).
--   p_details: the result of a completed step as JSON; of one that begins another round `arguments`
--   and `keep_rounds`, as JSON; else plain text: error, reason or cause.
--   p_traces: of an error, null for none; of a snoozed one the value that it keeps, as JSON.
--   p_delays: seconds. Of a failed attempt until the next, null for the default; of a snoozed one;
--   until another round; of a misfit until it is discarded. Traces or delays that are all null may
--   be empty arrays.
-- accepted: parallel to them; true if the outcome took effect, now or in an earlier call that this
--   one repeats: the step's last accepted outcome has this token and this kind. Compared after the
--   lock.
-- queues, counts: parallel; how many entries became available in each queue.
-- freed, freed_lanes: parallel; queue and lane of each entry that a limit counted and that does not
--   execute any more (see notify_freed); null for none.
-- failures: the workflows that failed by it, as failures_of returns them; null for none.
--
-- An entry has a token if and only if it is executing. The queries do not ask for its state as
-- well: the planner would then join by the index of a pool's claims, where a whole batch has one
-- token (20 ms in place of 1 for 400).
-- Locks: the workflows in the order of their keys, in a statement of its own. This protects their
-- executing entries too: claim and stage, which take entries without it, keep none that is
-- executing (see claim_entries). Each statement that deletes or updates an entry still checks the
-- token.
create or replace function apply_outcomes(
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_details text[], p_traces text[], p_delays double precision[],
    out accepted boolean[], out queues text[], out counts integer[], out failures text,
    out freed text[], out freed_lanes text[]
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
    applied  record;
    kinds    text[] := p_kinds;
    over     uuid[] := p_tokens;
begin
    perform require_read_committed();
    perform 1
       from workflows w
      where w.key = any(array(select workflow_of(o.id) from unnest(p_ids) as o(id)))
      order by w.key
        for no key update;
    moment := clock_timestamp();
    if 'overrun' = any(p_kinds) then
        -- Failed, and the code still runs in its thread.
        perform note_overruns(p_ids, p_tokens, p_kinds);
        kinds := array_replace(p_kinds, 'overrun', 'failed');
        over := array(
            select case when o.kind <> 'overrun' then o.token end
              from unnest(p_tokens, p_kinds) with ordinality as o(token, kind, n)
             order by o.n
        );
    end if;

    -- executing -> completed, each with the token and the result of its own outcome
    with ended as (
        delete from queue q
         using unnest(p_ids, p_tokens, kinds, p_details) as o(id, token, kind, detail)
         where q.step_id = any(array[o.id])
           and q.token = o.token
           and o.kind = 'completed'
     returning q.step_id, q.token, q.attempt, q.attempted_at, q.pool, q.queue, q.lane, q.slot, o.detail
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
           array_agg(sibling_of(r.id, r.undoes)) filter (where r.undoes is not null),
           (select array_agg(e.queue) from ended e where e.slot is not null or e.lane <> ''),
           (select array_agg(e.lane) from ended e where e.slot is not null or e.lane <> '')
      into final, followed, noted, undone, freed, freed_lanes
      from recorded r;
    if undone is not null then
        -- As if it had never begun. Its idempotency key changes, so that a service does not answer
        -- with the undone call.
        update steps s
           set began = false,
               generation = s.generation + 1
         where s.id = any(undone);
        delete from kept k where k.step_id = any(undone);
    end if;

    if is_mixed then
        applied := apply_other_outcomes(p_ids, p_tokens, kinds, p_details, p_traces, p_delays, moment);
        failed := applied.final;
        delayed := applied.queues;
        freed := freed || applied.freed;
        freed_lanes := freed_lanes || applied.freed_lanes;
        if 'joined' = any(kinds) then
            applied := apply_joins(p_ids, p_tokens, kinds, moment);
            failed := failed || applied.final;
            delayed := delayed || applied.queues;
        end if;
    end if;
    if cardinality(final) + coalesce(cardinality(failed), 0) > 0 then
        applied := apply_consequences(
            final || failed, moment, coalesce(cardinality(failed), 0) = 0, followed || failed, noted || failed
        );
        queues := applied.queues;
        counts := applied.counts;
        if cardinality(applied.failures) > 0 then
            failures := failures_of(applied.failures);
        end if;
    end if;
    queues := queues || delayed;
    counts := counts || array_fill(1, array[coalesce(cardinality(delayed), 0)]);

    if cardinality(final) = cardinality(p_ids) then
        accepted := array_fill(true, array[cardinality(p_ids)]);
    else
        accepted := array(
            select coalesce(s.token = o.token and s.outcome = o.kind, false)
              from unnest(p_ids, p_tokens, kinds) with ordinality as o(id, token, kind, n)
              left join steps s on s.id = any(array[o.id])
             order by o.n
        );
        if false = any(accepted) then
            unended := end_attempts(p_ids, over);
            queues := queues || unended.queues;
            counts := counts || unended.counts;
        end if;
    end if;
end $$;
