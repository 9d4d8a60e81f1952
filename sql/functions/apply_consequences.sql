-- Draw the consequences of steps that have just become final: end the dependents that cannot run, count down and
-- release the others, count down their groups and the workflows, and tell who listens. The caller made them final at p_moment in this
-- transaction, under the locks of their workflows. Says how many steps became available in each queue.
--
-- What a caller knows of them spares a look, for most have none of it: p_all_completed, that none failed; p_followed, which may have
-- dependents; p_noted, which may have failed, or be watched, or be in a group. Left out: any of them.
create or replace function apply_consequences(
    p_ids bigint[], p_moment timestamptz, p_all_completed boolean, p_followed bigint[] default null, p_noted bigint[] default null,
    out queues text[], out counts integer[]
)
language plpgsql
as $$
declare
    final    bigint[] := p_ids;
    followed bigint[] := coalesce(p_followed, p_ids);
    noted    bigint[] := coalesce(p_noted, p_ids);
    doomed   bigint[] := '{}';
    root     bigint;
    released bigint[];
    finished bigint[];
    seen     bigint[];
    in_group boolean;
    opened   record;
    closed   record;
begin
    if not p_all_completed then
        -- Of several unfavourable dependencies in one transaction cancelled comes before skipped.
        for root in
            select s.id
              from steps s
             where s.id = any(p_ids)
               and s.state <> 'completed'
               and cardinality(s.dependents) > 0
             order by s.state = 'skipped', s.id
        loop
            doomed := doomed || end_dependents(root, p_moment);
        end loop;
        final := final || doomed;
        followed := followed || doomed;
        noted := noted || doomed;
    end if;

    if cardinality(followed) > 0 then
        -- Count before subtracting: an update joins each dependent once, however many of its dependencies ended.
        -- Why `= any(array[…])`, here and wherever the engine looks rows up by a key: with a plain `=` the planner, while the
        -- tables are small, prefers to read the whole index, and the cached plan stays when they have grown (measured: one
        -- drain of 6,000 steps at 18,000 steps/s, the next at 570). This form it can only turn into a look-up.
        with counted as (
            select sibling_of(s.id, o.ordinal) as id, count(*)::integer as done
              from steps s
             cross join lateral unnest(s.dependents) as o(ordinal)
             where s.id = any(followed)
             group by 1
        ), lowered as (
            -- suspended -> queued, once nothing is pending
            update steps s
               set pending = s.pending - c.done,
                   state = case when s.pending = c.done then 'queued' else s.state end
              from counted c
             where s.id = any(array[c.id])
               and s.state = 'suspended'
               -- A group that waits for its children has begun.
               and s.first_child is null
         returning s.id, s.pending
        )
        select array_agg(l.id) into released from lowered l where l.pending = 0;
        if released is not null then
            opened := release(released, p_moment);
            queues := opened.queues;
            counts := opened.counts;
        end if;
    end if;

    if not p_all_completed then
        update workflows w
           set failed = w.failed + u.n
          from (
              select workflow_of(s.id) as key, count(*)::integer as n
                from steps s
               where s.id = any(noted)
                 and s.state in ('cancelled', 'discarded')
                 and s.parent is null
                 and not failure_is_ignored(s)
               group by 1
          ) as u
         where w.key = any(array[u.key]);
    end if;
    -- Those that lose the same number in one look-up: in a batch they are many, and nearly all lose one.
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
                           when w.failed > 0 then 'failed'
                           else 'completed'
                       end,
               finished_at = case when w.remaining = e.n then p_moment end
          from ended e
         where w.key = any(e.keys)
     returning w.key, w.watched and w.remaining = 0 as is_announced
    )
    select array_agg(l.key) into finished from lowered l where l.is_announced;

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
        perform pg_notify(channel(), 'workflow ' || f.key) from unnest(finished) as f(key);
    end if;
end $$;
