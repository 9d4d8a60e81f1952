-- Apply the consequences of steps that have just become final: end the dependents that cannot run,
-- count down and release the others, count down groups and workflows, and notify those that listen.
--
-- The caller made the steps final at p_moment in this transaction, under the locks of their
-- workflows.
-- p_all_completed, p_followed, p_noted: hints that let us skip queries. p_all_completed: none of
--   the steps failed. p_followed: those that may have dependents. p_noted: those that may have
--   failed, are watched or are in a group. Without the last two, any of the steps may.
-- queues, counts: parallel; how many steps became available in each queue.
-- failures: the keys of the workflows that failed by it and are final; null for none.
-- Locks: none but those that the caller holds.
create or replace function apply_consequences(
    p_ids bigint[], p_moment timestamptz, p_all_completed boolean, p_followed bigint[] default null, p_noted bigint[] default null,
    out queues text[], out counts integer[], out failures bigint[]
)
language plpgsql
as $$
declare
    final    bigint[] := p_ids;
    wave     bigint[] := coalesce(p_followed, p_ids);
    noted    bigint[] := coalesce(p_noted, p_ids);
    is_clean boolean := p_all_completed;
    ended    bigint[];
    root     bigint;
    lowered  record;
    needed   record;
    decided  record;
    rest     record;
    undoing  bigint[];
    undos    bigint[] := '{}';
    opened   record;
    finished bigint[];
    followed bigint[];
    seen     bigint[];
    in_group boolean;
    closed   record;
begin
    -- Each wave is what the one before it ended: steps that a dependency keeps from running, and
    -- steps whose condition does not hold.
    loop
        if not is_clean then
            ended := '{}';
            -- If several dependencies keep a step from running, cancelled comes before skipped.
            for root in
                select s.id
                  from steps s
                 where s.id = any(wave)
                   and s.state <> 'completed'
                   and exists (
                           select
                             from unnest(s.dependents) as o(ordinal)
                             join steps c on c.id = any(array[sibling_of(s.id, o.ordinal)])
                            where c.state = 'suspended' and c.needs is null and not edge_ignores(c, ordinal_of(s.id), s.state)
                       )
                 order by s.state = 'skipped', s.id
            loop
                ended := ended || end_dependents(root, p_moment);
            end loop;
            final := final || ended;
            noted := noted || ended;
            wave := wave || ended;
        end if;
        exit when cardinality(wave) = 0;

        -- Count before subtracting: an update joins each dependent once, even if several of its
        -- dependencies ended. `= any(array[…])` here, and wherever the engine looks up rows by a
        -- key, can only be planned as a look-up. With a plain `=` the plan that is cached while the
        -- tables are small reads the whole index (see docs/design.md).
        with counted as (
            select sibling_of(s.id, o.ordinal) as id, count(*)::integer as done
              from steps s
             cross join lateral unnest(s.dependents) as o(ordinal)
             where s.id = any(wave)
             group by 1
        ), updated as (
            -- suspended -> queued, once nothing is pending
            update steps s
               set pending = case when s.needs is null then s.pending - c.done else s.pending end,
                   state = case when s.pending = c.done and s.needs is null then 'queued' else s.state end
              from counted c
             where s.id = any(array[c.id])
               and s.state = 'suspended'
               -- A group that waits for its children has begun.
               and s.first_child is null
         returning s.id, s.pending, s.needs is not null as needs_some,
                   s.condition is not null or s.role is not null or s.awaits is not null as is_decided
        )
        select coalesce(array_agg(u.id) filter (where u.pending = 0), '{}') as released,
               bool_or(u.is_decided and u.pending = 0) as has_decisions,
               array_agg(u.id) filter (where u.needs_some) as needing
          into lowered
          from updated u;
        wave := '{}';
        if lowered.needing is not null then
            needed := apply_needs(lowered.needing, p_moment);
            lowered.released := lowered.released || needed.released;
            lowered.has_decisions := true;
            wave := needed.ended;
        end if;
        if lowered.has_decisions and cardinality(lowered.released) > 0 then
            decided := decide_steps(lowered.released, p_moment);
            wave := wave || decided.ended;
            lowered.released := array(
                select r.id from unnest(lowered.released) as r(id) where r.id <> all(decided.ended || decided.waiting)
            ) || decided.opened;
        end if;
        if lowered.needing is not null then
            rest := cancel_rests(needed.released, p_moment);
            wave := wave || rest.ended;
            -- A step may be released here and be what another one that starts needs no more.
            lowered.released := array(select r.id from unnest(lowered.released) as r(id) where r.id <> all(rest.ended)) || rest.opened;
        end if;
        if cardinality(lowered.released) > 0 then
            opened := release(lowered.released, p_moment);
            queues := queues || opened.queues;
            counts := counts || opened.counts;
        end if;
        exit when cardinality(wave) = 0;
        final := final || wave;
        noted := noted || wave;
        is_clean := false;
    end loop;

    if not (p_all_completed and is_clean) then
        update workflows w
           set failed = w.failed + u.n
          from (
              select workflow_of(s.id) as key, count(*)::integer as n
                from steps s
               where s.id = any(noted)
                 and s.state in ('cancelled', 'discarded')
                 and s.parent is null
                 and not s.not_needed
               group by 1
          ) as u
         where w.key = any(array[u.key]);
    end if;
    -- One look-up for all workflows that lose the same number of steps: a batch has many, and
    -- nearly all lose one.
    with counted as (
        select workflow_of(o.id) as key, count(*)::integer as n from unnest(final) as o(id) group by 1
    ), ended as (
        select c.n, array_agg(c.key) as keys from counted c group by c.n
    ), lowered as (
        -- executing -> completed or failed, once nothing remains
        update workflows w
           set remaining = w.remaining - e.n,
               state = case
                           when w.remaining > e.n then w.state
                           when w.ending is not null then w.ending ->> 'state'
                           -- Known only when all steps are final: a failure is forgiven if a
                           -- dependent began all the same.
                           when w.failed > 0 and count_failures(w.key) > 0 then 'failed'
                           else 'completed'
                       end,
               finished_at = case when w.remaining = e.n then p_moment end
          from ended e
         where w.key = any(e.keys)
     returning w.key, w.watched and w.remaining = 0 as is_announced, w.has_undo and w.state in ('failed', 'cancelled') as may_undo,
               w.state = 'failed' as has_failed, w.followed_until > p_moment as is_followed
    )
    select array_agg(l.key) filter (where l.is_announced), array_agg(l.key) filter (where l.may_undo),
           array_agg(l.key) filter (where l.has_failed), array_agg(l.key) filter (where l.is_followed)
      into finished, undoing, failures, followed
      from lowered l
     where l.is_announced or l.may_undo or l.has_failed or l.is_followed;
    if undoing is not null then
        -- It ended badly and has undos, so it is not final yet.
        for root in select k.key from unnest(undoing) as k(key) order by k.key loop
            decided := begin_undos(root, p_moment);
            undos := undos || decided.opened;
            if decided.is_undoing then
                finished := array_remove(finished, root);
                failures := array_remove(failures, root);
            end if;
        end loop;
        if cardinality(undos) > 0 then
            opened := release(undos, p_moment);
            queues := queues || opened.queues;
            counts := counts || opened.counts;
        end if;
    end if;

    if cardinality(noted) > 0 then
        select array_agg(s.id) filter (where s.watched), bool_or(s.parent is not null)
          into seen, in_group
          from steps s
         where s.id = any(noted);
        if in_group then
            select c.queues, c.counts into closed from count_down_groups(noted, p_moment) as c;
            queues := queues || closed.queues;
            counts := counts || closed.counts;
        end if;
        perform pg_notify(channel(), 'step ' || o.id) from unnest(seen) as o(id);
    end if;
    if finished is not null then
        perform announce_finished(finished);
    end if;
    if followed is not null then
        perform announce_steps(followed, p_moment);
    end if;
    if not (p_all_completed and is_clean) then
        select f.queues, f.counts into closed from fail_fast(noted, p_moment) as f;
        queues := queues || closed.queues;
        counts := counts || closed.counts;
    end if;
end $$;
