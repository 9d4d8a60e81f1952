-- Decide on steps for which nothing is pending any more, before they are released.
--
-- Most steps need no decision; apply_consequences brings those here that may need one.
--
--   a condition that does not hold   queued -> skipped; discarded if it cannot be evaluated
--   gate                             queued -> completed: the engine's own step in front of a group
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
        select s.id, s.role, s.parent from steps s
         where s.id = any(p_ids) and s.id <> all(ended) and s.role is not null
         order by s.id
    loop
        case step.role
            when 'gate' then
                update steps s set state = 'completed', result = 'null', finished_at = p_moment where s.id = step.id;
                ended := ended || step.id;
                perform begin_deadlines(array[sibling_of(step.id, step.parent)], p_moment);
            when 'end' then
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
            else
                why := nothing_to_clean_up(step.id);
                if why is not null then
                    update steps s set state = 'skipped', reason = why, finished_at = p_moment where s.id = step.id;
                    ended := ended || step.id;
                elsif has_unended_attempts(step.id) then
                    update steps s set state = 'suspended', pending = 1, awaits_attempts = true where s.id = step.id;
                    waiting := waiting || step.id;
                end if;
        end case;
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
