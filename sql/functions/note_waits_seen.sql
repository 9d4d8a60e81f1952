-- Note what upkeep has seen, so that it does not look at it again. The caller holds the locks of
-- the workflows.
--
-- p_sent: steps to which a signal came. p_runs: steps that may wait for another run, which was
-- looked at.
-- p_ended: steps that ended.
-- A run that does not exist yet is looked for again after a pause that grows; one that exists and
-- has not
-- ended is left to watch_runs.
-- Locks: rows of signals, without waiting: one that a sender holds is seen again by the next call.
create or replace function note_waits_seen(p_sent bigint[], p_runs bigint[], p_ended bigint[], p_moment timestamptz) returns void
language plpgsql
as $$
begin
    with seen as (
        select n.workflow, n.name from signals n where n.step_id = any(p_sent) and n.is_new for update skip locked
    )
    update signals g
       set is_new = false
      from seen n
     where g.workflow = any(array[n.workflow])
       and g.name = n.name;

    delete from receivers r
     using steps s
     where s.id = any(p_ended)
       and s.awaits ->> 'type' = 'message'
       and r.workflow = any(array[workflow_of(s.id)])
       and r.topic = s.awaits ->> 'topic'
       and r.step_id = s.id;

    if cardinality(p_runs) = 0 then
        return;
    end if;
    delete from awaited_runs a
     using steps s
     where a.step_id = any(p_runs)
       and s.id = any(array[a.step_id])
       and s.finished_at is not null;
    with absent as (
        select a.step_id, s.awaits, q.scheduled_at
          from awaited_runs a
          join steps s on s.id = any(array[a.step_id])
          join queue q on q.step_id = any(array[a.step_id])
         where a.step_id = any(p_runs)
           -- Not `exists`, which may be planned as a join that reads the whole index.
           and (select w.key from workflows w where w.id = any(array[a.run_id])) is null
    ), unlooked as (
        update awaited_runs a set is_new = false from absent b where a.step_id = any(array[b.step_id])
    )
    update queue q
       set ends_at = least(
               b.scheduled_at + interval '1 second' * (b.awaits ->> 'within')::double precision,
               p_moment + least(greatest((p_moment - b.scheduled_at) / 4, interval '0.5 s'), interval '30 s')
           )
      from absent b
     where q.step_id = any(array[b.step_id]);
    -- It came meanwhile.
    with present as (
        select a.step_id
          from awaited_runs a
          join queue q on q.step_id = any(array[a.step_id]) and q.ends_at is not null
         where a.step_id = any(p_runs)
           and (select w.key from workflows w where w.id = any(array[a.run_id])) is not null
    ), looked as (
        update awaited_runs a set is_new = true from present b where a.step_id = any(array[b.step_id])
    )
    update queue q set ends_at = null from present b where q.step_id = any(array[b.step_id]);
end $$;
