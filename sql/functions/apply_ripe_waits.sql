-- End the waits of these workflows that are over, with all consequences; about p_limit of each
-- kind. Returns how many ended.
--
--   a signal or a message came   waiting -> completed, with its value
--   the time of a timer is up    waiting -> completed
--   another run has ended        waiting -> completed, discarded or cancelled, as that one
--   the time of others is up     waiting -> completed with the default, or discarded
--
-- A signal that was sent to a step that does not wait yet stays for its release (see begin_waits).
-- Locks: the caller holds those of the workflows. Entries that wait are written under these only. A
-- row of signals may be held by a sender, for as long as its transaction is open: then the time of
-- that step is not up yet.
create or replace function apply_ripe_waits(p_keys bigint[], p_limit integer) returns integer
language plpgsql
as $$
declare
    moment    timestamptz := clock_timestamp();
    sent      bigint[];
    due       bigint[];
    receiving bigint[];
    runs      bigint[];
    closed    bigint[];
    taken     bigint[];
    final     bigint[];
    applied   record;
begin
    sent := array(
        select g.step_id from signals g where g.is_new and g.workflow = any(p_keys) order by g.step_id limit p_limit
    );
    due := array(
        select q.step_id
          from queue q
         where q.ends_at <= moment
           and q.state = 'waiting'
           and workflow_of(q.step_id) = any(p_keys)
         order by q.ends_at
         limit p_limit
    );
    runs := array(
        select a.step_id from awaited_runs a where a.is_new and workflow_of(a.step_id) = any(p_keys) limit p_limit
    );
    receiving := receivers_of_new_messages(p_keys, p_limit, moment);
    taken := take_messages(array(
        select q.step_id from queue q where q.step_id = any(receiving || due) and q.state = 'waiting'
    ));
    closed := close_signals(due);

    with over as materialized (
        select s.id,
               case
                   when r.state is not null then r.state
                   when x.value is not null then 'completed'
                   else 'discarded'
               end as state,
               coalesce(r.result, x.value) as result,
               case
                   when r.state is not null then r.reason
                   when x.value is null then wait_timed_out(s.awaits)
               end as reason
          from steps s
          join queue q on q.step_id = any(array[s.id]) and q.state = 'waiting'
          left join signals g on g.workflow = any(array[workflow_of(s.id)]) and g.name = s.name
          left join messages m on s.awaits ->> 'type' = 'message' and m.taken_by = any(array[s.id])
         cross join lateral (
             select coalesce(g.value, m.value, case when s.awaits ->> 'type' = 'timer' then 'null'::json end,
                             (s.awaits ->> 'default')::json) as value,
                    g.sent_at is not null or m.taken_by is not null as has_come
         ) as x
          left join lateral run_outcome(s.id, s.awaits, q.scheduled_at, moment) as r on s.awaits ->> 'type' = 'run'
         where s.id = any(sent || due || runs || taken)
           and case s.awaits ->> 'type'
                   when 'run' then r.state is not null
                   when 'signal' then x.has_come or s.id = any(closed)
                   else x.has_come or s.id = any(due)
               end
    ), entries as (
        delete from queue q
         using over o
         where q.step_id = any(array[o.id])
           and q.state = 'waiting'
     returning q.step_id, o.state, o.result, o.reason
    ), ended as (
        update steps s
           set state = e.state,
               result = e.result,
               reason = e.reason,
               finished_at = moment
          from entries e
         where s.id = any(array[e.step_id])
     returning s.id
    )
    select coalesce(array_agg(e.id), '{}') into final from ended e;

    perform note_waits_seen(sent, runs || due, final, moment);
    if cardinality(final) > 0 then
        applied := apply_consequences(final, moment, false);
        perform notify_queues(applied.queues, applied.counts);
    end if;
    return cardinality(final);
end $$;
