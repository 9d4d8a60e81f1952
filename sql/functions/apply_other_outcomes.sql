-- Apply the outcomes of a batch that are not completions.
--
-- Only outcomes whose token is still the claim's count.
--
--   discarded, cancelled, skipped   final as they say
--   failed, lost                    discarded once the attempts are used up, else retryable after
--                                   the delay; lost also if too many were lost (see count_losses)
--   snoozed                         scheduled after the delay; the attempts are counted anew
--   again                           completed, if the group around it begins the next round when it
--                                   is judged; else scheduled after the delay for the next round, the
--                                   attempts counted anew. Discarded after 10,000 rounds
--   given_back                      available at once, in its old position; the attempt is given
--                                   back
--   unknown_worker, misfit          scheduled after 15 s, doubling to 5 minutes; the attempt is
--                                   given back. A misfit is discarded when the first one in a row
--                                   is as old as its delay; null means never
--
-- A join is no attempt, so it is given back after any of these: at once, but after 15 s if it
-- failed, which it does if its outcome cannot be stored, and would at once do again. A map that is
-- lost while it expands has at least twenty attempts: these are the engine's, and max_attempts is
-- meant for its children.
-- final: the steps that became final. queues: the queue of each step that became available again.
-- freed, freed_lanes: as of apply_outcomes.
-- Locks: none; apply_outcomes has taken them.
create or replace function apply_other_outcomes(
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_details text[], p_traces text[], p_delays double precision[],
    p_moment timestamptz,
    out final bigint[], out queues text[], out freed text[], out freed_lanes text[]
)
language plpgsql
as $$
declare
    soonest timestamptz;
    asking  bigint[];
begin
    with verdict as materialized (
        -- The first of several outcomes under one token counts: an entry cannot both go and stay.
        select distinct on (o.id)
               q.step_id, q.token, o.kind, o.trace, q.attempt, q.attempted_at, q.pool, q.is_join,
               q.queue, q.lane, q.slot,
               case
                   when r.round >= 10000 then
                       'it has asked for another round after 10,000 of them, which is the limit: let each run insert the next'
                   when o.kind <> 'again' then o.detail
               end as detail,
               case
                   when q.is_join then 'scheduled'
                   when o.kind in ('discarded', 'cancelled', 'skipped') then o.kind
                   when r.round >= 10000 then 'discarded'
                   when r.id <> s.id then 'completed'
                   when o.kind in ('failed', 'lost')
                        and q.attempt >= greatest(s.max_attempts, case when s.map is not null then 20 end) then 'discarded'
                   when o.kind = 'lost' and (l.losses >= 20 or l.loss_rows >= 20) then 'discarded'
                   when o.kind in ('failed', 'lost') then 'retryable'
                   when o.kind = 'misfit'
                        and p_moment - coalesce(s.misfit_at, p_moment) >= interval '1 second' * o.delay then 'discarded'
                   else 'scheduled'
               end as state,
               case
                   when q.is_join or o.kind in ('failed', 'lost') then q.attempt
                   when o.kind in ('snoozed', 'again') then 0
                   else q.attempt - 1
               end as attempts_spent,
               case
                   when q.is_join and o.kind = 'failed' then 15
                   when q.is_join or o.kind = 'given_back' then 0
                   when o.kind in ('unknown_worker', 'misfit') then least(300, 15 * power(2, least(s.refusals, 10)))
                   else coalesce(o.delay, backoff(q.attempt))
               end as delay,
               l.losses, l.loss_rows
          from unnest(p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays)
               with ordinality as o(id, token, kind, detail, trace, delay, n)
          join queue q on q.step_id = any(array[o.id]) and q.token = o.token
          join steps s on s.id = any(array[o.id])
          left join lateral count_losses(s, q.token, o.kind = 'lost') as l
            on not q.is_join and (o.kind = 'lost' or s.losses > 0)
          -- The step that begins the next round: itself, or the group around it.
          left join lateral (
              select t.id, t.round from steps t where t.id = any(array[coalesce(looping_group(s), s.id)])
          ) as r on o.kind = 'again' and not q.is_join
         where o.kind not in ('completed', 'joined')
         order by o.id, o.n
    ), ended as (
        delete from queue q
         using verdict v
         where q.step_id = any(array[v.step_id])
           and v.state not in ('retryable', 'scheduled')
    ), delayed as (
        -- executing -> retryable, scheduled or available
        update queue q
           set state = case when v.delay > 0 then v.state else 'available' end,
               attempt = v.attempts_spent,
               scheduled_at = p_moment + interval '1 second' * greatest(0, v.delay),
               position = case
                              when v.is_join or v.kind = 'given_back' then q.position
                              else p_moment + interval '1 second' * greatest(0, v.delay)
                          end,
               pool = null,
               token = null
          from verdict v
         where q.step_id = any(array[v.step_id])
           and v.state in ('retryable', 'scheduled')
     returning q.queue, q.state, q.scheduled_at
    ), keeping as (
        insert into kept as k (step_id, token, value)
        select v.step_id, v.token, v.trace::json
          from verdict v
         where v.kind = 'snoozed'
           and v.trace is not null
            on conflict (step_id) do update
           set token = excluded.token,
               value = excluded.value
    ), recorded as (
        update steps s
           set state = case when v.state in ('retryable', 'scheduled') then s.state else v.state end,
               finished_at = case when v.state in ('retryable', 'scheduled') then null else p_moment end,
               result = case when v.state = 'completed' then 'null' else s.result end,
               outcome = v.kind,
               token = v.token,
               attempt = case
                             when v.state not in ('retryable', 'scheduled') then v.attempt
                             else v.attempts_spent
                         end,
               attempted_at = v.attempted_at,
               pool = v.pool,
               reason = case
                            when v.is_join and v.kind <> 'failed' or v.kind = 'given_back' then null
                            when v.kind = 'lost' and v.state = 'discarded' and v.attempt < s.max_attempts then
                                left(
                                    format('too many of its attempts were lost, the last %s in a row: %s', v.losses, v.detail),
                                    2000
                                )
                            else v.detail
                        end,
               losses = case when v.kind = 'snoozed' then 0 else coalesce(v.losses, s.losses) end,
               loss_rows = case
                               when v.kind = 'snoozed' and s.outcome is distinct from 'lost' then 0
                               else coalesce(v.loss_rows, s.loss_rows)
                           end,
               began = s.began or not (v.is_join or v.kind in ('unknown_worker', 'misfit', 'no_budget')),
               refusals = case when v.kind in ('unknown_worker', 'misfit') then s.refusals + 1 else 0 end,
               misfit_at = case
                               when v.kind = 'misfit' then coalesce(s.misfit_at, p_moment)
                               when v.kind in ('unknown_worker', 'given_back') then s.misfit_at
                           end,
               errors = case
                            when (v.kind in ('failed', 'lost', 'discarded') or v.state = 'discarded') and not v.is_join then
                                s.errors[greatest(1, coalesce(cardinality(s.errors), 0) - 48):]
                                || json_build_object('attempt', v.attempt, 'at', p_moment, 'kind', v.kind,
                                                     'error', v.detail, 'trace', v.trace)
                            else s.errors
                        end
          from verdict v
         where s.id = any(array[v.step_id])
     returning s.id, s.finished_at, s.outcome
    )
    select (select array_agg(r.id) from recorded r where r.finished_at is not null),
           (select array_agg(d.queue) from delayed d where d.state = 'available'),
           (select min(d.scheduled_at) from delayed d where d.state <> 'available'),
           (select array_agg(r.id) from recorded r where r.outcome = 'again'),
           (select array_agg(v.queue) from verdict v where v.slot is not null or v.lane <> ''),
           (select array_agg(v.lane) from verdict v where v.slot is not null or v.lane <> '')
      into final, queues, soonest, asking, freed, freed_lanes;
    if asking is not null then
        perform ask_for_rounds(array_agg(o.id), array_agg(o.detail), array_agg(o.delay))
           from unnest(p_ids, p_tokens, p_kinds, p_details, p_delays) as o(id, token, kind, detail, delay)
           join steps s on s.id = any(array[o.id]) and s.token = o.token
          where o.id = any(asking)
            and o.kind = 'again';
    end if;
    perform notify_due(soonest, p_moment);
    if 'no_budget' = any(p_kinds) then
        perform begin_budget_waits(
            array(
                select q.step_id
                  from unnest(p_ids, p_kinds) as o(id, kind)
                  join queue q on q.step_id = any(array[o.id])
                  join steps s on s.id = any(array[o.id])
                 where o.kind = 'no_budget'
                   and q.state = 'scheduled'
                   and s.outcome = 'no_budget'
            )
        );
    end if;
end $$;
