-- Decide on steps for which nothing is pending any more, before they are released.
--
--
--   a condition that does not hold   queued -> skipped; discarded if it cannot be evaluated
--   gate                             queued -> completed: the engine's own step in front of a group;
--                                    that of a closing group is decided on as the group
--   end                              queued -> completed with the verdict of its scope, or
--                                    suspended again until undos are final
--   always, on failure               queued -> skipped if there is nothing to clean up
--   always, on failure, undo         queued -> suspended while an attempt of what it cleans up has
--                                    not ended
--   a step that awaits something     queued -> waiting, or completed if it has come already (see
--                                    begin_waits)
--
-- ended: those that are final now. waiting: those that are suspended again, or wait for what they
--   await. opened: undos that were written and may be released.
-- Locks: none; the caller holds the locks of the workflows.
create or replace function decide_steps(
    p_ids bigint[], p_moment timestamptz,
    out ended bigint[], out waiting bigint[], out opened bigint[]
)
language plpgsql
as $$
declare
    step     record;
    verdict  text;
    why      text;
    written  bigint[];
    undos    record;
    awaiting bigint[];
    begun    bigint[];
begin
    waiting := '{}';
    opened := '{}';
    with decided as materialized (
        select s.id, c.holds, c.why
          from steps s
         cross join lateral condition_holds(s.id, s.condition) as c
         where s.id = any(p_ids)
           and s.condition is not null
    ), updated as (
        update steps s
           set state = case when d.holds is null then 'discarded' else 'skipped' end,
               reason = left(
                   'its condition ' || case when d.holds is null then 'cannot be evaluated: ' else 'does not hold: ' end || d.why,
                   2000
               ),
               finished_at = p_moment
          from decided d
         where s.id = any(array[d.id])
           and d.holds is not true
     returning s.id
    )
    select coalesce(array_agg(u.id), '{}') into ended from updated u;

    for step in
        select s.id, s.role, s.parent, coalesce(g.role, nullif(nullif(s.role, 'gate'), 'end')) is not null as closes
          from steps s
          left join steps g on g.id = any(array[sibling_of(s.id, s.parent)]) and s.role = 'gate'
         where s.id = any(p_ids)
           and s.id <> all(ended)
           and s.role is not null
         order by s.id
    loop
        why := case when step.role <> 'end' then nothing_to_clean_up(step.id) end;
        if why is not null then
            update steps s set state = 'skipped', reason = why, finished_at = p_moment where s.id = step.id;
            ended := ended || step.id;
        elsif step.closes and has_unended_attempts(step.id) then
            update steps s set state = 'suspended', pending = 1, awaits_attempts = true where s.id = step.id;
            waiting := waiting || step.id;
        elsif step.role = 'gate' then
            update steps s set state = 'completed', result = 'null', finished_at = p_moment where s.id = step.id;
            ended := ended || step.id;
            perform begin_deadlines(array[sibling_of(step.id, step.parent)], p_moment);
        elsif step.role = 'end' then
            verdict := scope_verdict(step.id);
            written := '{}';
            if step.parent is null and verdict <> 'completed' then
                written := write_undos(workflow_of(step.id), step.id, null, p_moment);
            end if;
            if cardinality(written) > 0 then
                -- Some of these may have to wait for attempts that have not ended.
                undos := decide_steps(written, p_moment);
                opened := opened || array(select w.id from unnest(written) as w(id) where w.id <> all(undos.waiting));
                waiting := waiting || step.id;
            else
                update steps s
                   set state = 'completed', result = to_json(verdict), finished_at = p_moment
                 where s.id = step.id;
                ended := ended || step.id;
            end if;
        end if;
    end loop;

    select array_agg(s.id)
      into awaiting
      from steps s
     where s.id = any(p_ids) and s.id <> all(ended || waiting) and s.awaits is not null;
    if awaiting is not null then
        begun := begin_waits(awaiting, p_moment);
        ended := ended || begun;
        waiting := waiting || array(select a.id from unnest(awaiting) as a(id) where a.id <> all(begun));
    end if;
end $$;
