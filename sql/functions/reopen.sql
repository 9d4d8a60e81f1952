-- Open steps of a workflow, and let those run that wait for nothing.
--
-- A group with children does not run again. It waits for those of them that are opened, and these
-- take free slots if it has any. What each opened step waits for is computed anew from the states
-- of its dependencies. The same is done for each dependent of an opened step that has not begun: it
-- is suspended, or its entry is at attempt 0, neither executing nor snoozed, and then the entry is
-- deleted. A dependent that began by ignoring the failure goes on. An opened step ends again at
-- once if a dependency that stays as it is keeps it from running.
--
-- p_opening, p_again: as steps_to_open returned them.
-- p_names: those that were named, which forget the signal or message that they had; null for none.
-- p_given: one of the opened steps, which does not run but ends like this (see give_end).
-- Locks: all entries of the closure by step, before any record is written; the caller holds the
-- lock of the workflow.
create or replace function reopen(
    p_key bigint, p_opening bigint[], p_again bigint[], p_names text[], p_moment timestamptz,
    p_given bigint default null, p_state text default null, p_result json default null, p_reason text default null
) returns void
language plpgsql
as $$
declare
    needing  bigint[];
    needed   record;
    rest     record;
    waiting  bigint[];
    groups   bigint[];
    root     bigint;
    ended    bigint[] := '{}';
    queued   bigint[];
    decided  record;
    released record;
    applied  record;
begin
    if (select w.has_undo from workflows w where w.key = p_key) and not exists (select from steps s where s.id = any(p_opening) and s.undoes is not null) then
        perform delete_undos(p_key);
    end if;

    if p_names is not null then
        -- Named itself, a step waits anew. Opened with others, it keeps the answer that it has.
        update signals g
           set sent_at = null,
               key = null,
               value = null,
               is_new = false
         where g.workflow = p_key
           and g.name in (select unnest(p_names))
           and g.sent_at is not null;
        update messages m
           set taken_by = 0
         where m.taken_by = any(array(
                   select s.id from steps s where s.id = any(p_opening) and s.name = any(p_names) and s.awaits is not null
               ));
    end if;

    perform unexpand(p_again);
    groups := array(
        select distinct sibling_of(s.id, s.parent) from steps s where s.id = any(p_opening) and s.parent is not null
    );
    waiting := array(
        select c.id
          from steps c
         where c.id = any(array(
                   select sibling_of(s.id, o.ordinal)
                     from steps s
                    cross join lateral unnest(s.dependents) as o(ordinal)
                    where s.id = any(p_opening)
               ))
           and c.first_child is null
    );
    perform 1 from queue q where q.step_id = any(waiting || groups || p_opening) order by q.step_id for update;
    -- Of steps that have begun and are to run again from the start.
    delete from queue q where q.step_id = any(p_opening);
    -- A step that snoozes is at attempt 0 again, although it has begun.
    delete from queue q
     where q.step_id = any(array(
               select s.id from steps s where s.id = any(waiting) and coalesce(s.outcome not in ('snoozed', 'again'), true)
           ))
       and q.attempt = 0
       and q.state <> 'executing';
    delete from queue q where q.step_id = any(groups);
    waiting := array(
        select s.id
          from steps s
         where s.id = any(waiting || groups)
           and s.finished_at is null
           and (select q.step_id from queue q where q.step_id = s.id) is null
    );

    delete from kept k
     where k.step_id = any(array(select s.id from steps s where s.id = any(p_opening) and s.state in ('completed', 'queued')));
    -- Their deadlines begin anew with their next release.
    delete from deadlines d where d.step_id = any(p_opening || waiting) and d.kind in ('end', 'start');

    -- final, queued -> queued, for now; when all are open, the next statement counts what each waits for
    update steps s
       set state = 'queued',
           attempt = case when s.first_child is null then 0 else s.attempt end,
           losses = 0,
           loss_rows = 0,
           refusals = 0,
           misfit_at = null,
           holds_slot = false,
           not_needed = false,
           awaits_attempts = false,
           ending = null,
           result = null,
           reason = null,
           finished_at = null
     where s.id = any(p_opening);
    -- A step that asked for another round of its group is to run again, and may not ask this time.
    update steps g
       set again = null
     where g.id = any(groups)
       and sibling_of(g.id, (g.again ->> 'by')::integer) = any(p_opening);
    -- queued, suspended -> suspended or queued
    with counted as (
        select s.id, count_pending(s) as n from steps s where s.id = any(p_opening || waiting)
    )
    update steps s
       set pending = c.n,
           state = case when c.n > 0 then 'suspended' else 'queued' end
      from counted c
     where s.id = any(array[c.id]);
    update steps g
       set next_child = 0,
           slots = g.concurrency - (
               select count(*)
                 from steps c
                where c.id >= sibling_of(g.id, g.first_child) and c.id < sibling_of(g.id, g.first_child + g.children)
                  and c.holds_slot
                  and c.finished_at is null
           )
     where g.id = any(groups)
       and g.concurrency is not null;
    update steps g
       set failures_left = map_allowance(g.map, g.children) + 1 - c.failed
                           - case when g.completions_left is not null then c.skipped else 0 end,
           completions_left = (g.map ->> 'needs')::integer - c.completed
      from (
          select m.id,
                 (count(*) filter (where c.state = 'completed'))::integer as completed,
                 (count(*) filter (where c.state = 'skipped'))::integer as skipped,
                 (count(*) filter (where c.state in ('discarded', 'cancelled') and not c.not_needed))::integer as failed
            from steps m
            join steps c on c.id >= sibling_of(m.id, m.first_child) and c.id < sibling_of(m.id, m.first_child + m.children)
           where m.id = any(groups)
             and m.failures_left is not null
           group by m.id
      ) as c
     where g.id = any(array[c.id]);
    waiting := waiting || assign_slots(groups);

    update workflows w
       set state = 'executing',
           ending = case when exists (select from steps s where s.id = any(p_opening) and s.undoes is not null) then w.ending end,
           finished_at = null,
           remaining = (
               select count(*)
                 from steps s
                where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
                  and s.finished_at is null
           ),
           failed = count_bad_ends(p_key)
     where w.key = p_key;
    -- The caller has locked the key of the run, and found it free.
    update run_keys k
       set workflow = p_key
      from workflows w
     where w.key = p_key
       and k.key = w.run_key
       and k.workflow <> p_key;
    perform begin_run_deadlines(array[p_key], p_moment);
    -- Of a group that begins with its gate, the deadline begins with that.
    perform begin_deadlines(
        array(
            select g.id
              from steps g
             where g.id = any(p_opening)
               and g.first_child is not null
               and g.deadline is not null
               and not exists (
                       select
                         from steps c
                        where c.id >= sibling_of(g.id, g.first_child) and c.id < sibling_of(g.id, g.first_child + g.children)
                          and c.role = 'gate'
                          and c.finished_at is null
                   )
        ),
        p_moment
    );

    if p_given is not null then
        perform give_end(p_given, p_state, p_result, p_reason, p_moment);
        ended := array[p_given];
    end if;

    for root in
        select d.id
          from steps d
         where d.id = any(array(
                   select sibling_of(s.id, o.ordinal)
                     from steps s
                    cross join lateral unnest(s.dependencies) as o(ordinal)
                    where s.id = any(p_opening)
               ))
           and d.state in ('cancelled', 'discarded', 'skipped')
         order by d.state = 'skipped', d.id
    loop
        ended := ended || end_dependents(root, p_moment);
    end loop;

    -- What it needs may be there, or out of reach.
    needing := array(
        select s.id
          from steps s
         where s.id = any(p_opening || waiting)
           and s.needs is not null
           and s.first_child is null
           and s.finished_at is null
    );
    if needing <> '{}' then
        update steps s set pending = greatest(s.pending, 1), state = 'suspended' where s.id = any(needing);
        needed := apply_needs(needing, p_moment);
        ended := ended || needed.ended;
    end if;
    queued := array(select s.id from steps s where s.id = any(p_opening || waiting) and s.state = 'queued');
    decided := decide_steps(queued, p_moment);
    ended := ended || decided.ended;
    if needing <> '{}' then
        rest := cancel_rests(needing, p_moment);
        ended := ended || rest.ended;
        queued := array(select q.id from unnest(queued) as q(id) where q.id <> all(rest.ended)) || rest.opened;
    end if;
    select r.queues, r.counts
      into released
      from release(
               array(select q.id from unnest(queued) as q(id) where q.id <> all(decided.ended || decided.waiting)) || decided.opened, p_moment
           ) as r;
    perform notify_queues(released.queues, released.counts);
    if cardinality(ended) > 0 then
        select c.queues, c.counts into applied from apply_consequences(ended, p_moment, false) as c;
        perform notify_queues(applied.queues, applied.counts);
    end if;
end $$;
