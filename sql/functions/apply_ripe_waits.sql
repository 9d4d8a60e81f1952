-- End the waits of these workflows that are over, with all consequences; about p_limit of them.
-- Returns how many ended.
--
--   a signal was sent          waiting -> completed, with its value
--   the time of a timer is up  waiting -> completed
--   the time of others is up   waiting -> completed with the default, or discarded
--
-- A signal that was sent to a step that does not wait yet stays for its release (see begin_waits).
-- Locks: the caller holds those of the workflows. Entries that wait are written under these only. A
-- row of signals may be held by a sender, for as long as its transaction is open: then the time of
-- that step is not up yet.
create or replace function apply_ripe_waits(p_keys bigint[], p_limit integer) returns integer
language plpgsql
as $$
declare
    moment  timestamptz := clock_timestamp();
    sent    bigint[];
    due     bigint[];
    closed  bigint[];
    final   bigint[];
    applied record;
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
    -- A sender that comes after this finds the row closed; one that came before is seen by the next
    -- statement, or holds the row.
    with free as (
        select g.workflow, g.name
          from signals g
          join steps s on s.id = any(due) and g.workflow = any(array[workflow_of(s.id)]) and g.name = s.name
         where g.sent_at is null
           for update of g skip locked
    ), updated as (
        update signals g
           set is_closed = true
          from free f
         where g.workflow = any(array[f.workflow])
           and g.name = f.name
     returning g.step_id
    )
    select coalesce(array_agg(u.step_id), '{}') into closed from updated u;

    with over as materialized (
        select s.id, s.name, s.awaits,
               case
                   when g.sent_at is not null then g.value
                   when s.awaits ->> 'type' = 'timer' then 'null'
                   when s.awaits ->> 'type' <> 'signal' or s.id = any(closed) then (s.awaits ->> 'default')::json
               end as value,
               g.sent_at is not null or s.awaits ->> 'type' <> 'signal' or s.id = any(closed) as is_over
          from steps s
          left join signals g on g.workflow = any(array[workflow_of(s.id)]) and g.name = s.name
         where s.id = any(sent || due)
    ), entries as (
        delete from queue q
         using over o
         where q.step_id = any(array[o.id])
           and q.state = 'waiting'
           and o.is_over
     returning q.step_id
    ), ended as (
        update steps s
           set state = case when o.value is null then 'discarded' else 'completed' end,
               result = o.value,
               reason = case when o.value is null then wait_timed_out(o.awaits) end,
               finished_at = moment
          from entries e
          join over o on o.id = e.step_id
         where s.id = any(array[e.step_id])
     returning s.id
    )
    select coalesce(array_agg(e.id), '{}') into final from ended e;
    -- Whatever state their steps are in: those that are released later read them by themselves.
    with seen as (
        select n.workflow, n.name from signals n where n.step_id = any(sent) and n.is_new for update skip locked
    )
    update signals g
       set is_new = false
      from seen n
     where g.workflow = any(array[n.workflow])
       and g.name = n.name;
    if cardinality(final) > 0 then
        applied := apply_consequences(final, moment, false);
        perform notify_queues(applied.queues, applied.counts);
    end if;
    return cardinality(final);
end $$;
