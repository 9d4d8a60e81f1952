-- Draw the consequences of steps that have just become final: end the dependents that cannot run, count down and
-- release the others, count down their groups and the workflows, and tell who listens. The caller made them final at p_moment in this
-- transaction, under the locks of their workflows; p_all_completed spares the search for failures.
-- Says how many steps became available in each queue.
create or replace function conclude(
    p_ids bigint[], p_moment timestamptz, p_all_completed boolean,
    out queues text[], out counts integer[]
)
language plpgsql
set search_path from current
as $$
declare
    final    bigint[] := p_ids;
    root     bigint;
    released bigint[];
    finished bigint[];
    seen     bigint[];
    in_group boolean;
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
            final := final || doom(root, p_moment);
        end loop;
    end if;

    -- Count before subtracting: an update joins each dependent once, however many of its dependencies ended.
    -- Why `= any(array[…])`, here and wherever the engine looks rows up by a key: with a plain `=` the planner, while the
    -- tables are small, prefers to read the whole index, and the cached plan stays when they have grown (measured: one
    -- drain of 6,000 steps at 18,000 steps/s, the next at 570). This form it can only turn into a look-up.
    with counted as (
        select sibling_of(s.id, o.ordinal) as id, count(*)::integer as done
          from steps s
         cross join lateral unnest(s.dependents) as o(ordinal)
         where s.id = any(final)
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
        select r.queues, r.counts into queues, counts from release(released, p_moment) as r;
    end if;

    with ended as (
        select workflow_of(s.id) as key,
               count(*)::integer as n,
               (count(*) filter (
                   where s.state in ('cancelled', 'discarded') and s.parent is null and not forgiven(s)
               ))::integer as failed,
               bool_or(s.parent is not null) as in_group,
               array_agg(s.id) filter (where s.watched) as watched
          from steps s
         where s.id = any(final)
         group by 1
    ), lowered as (
        -- executing -> completed or failed, once nothing remains
        update workflows w
           set remaining = w.remaining - e.n,
               failed = w.failed + e.failed,
               state = case
                           when w.remaining > e.n then w.state
                           when w.failed + e.failed > 0 then 'failed'
                           else 'completed'
                       end,
               finished_at = case when w.remaining = e.n then p_moment end
          from ended e
         where w.key = any(array[e.key])
     returning w.key, w.watched and w.remaining = 0 as is_announced, e.watched, e.in_group
    )
    select array_agg(l.key) filter (where l.is_announced),
           array_agg(o.id) filter (where o.id is not null),
           bool_or(l.in_group)
      into finished, seen, in_group
      from lowered l
      left join lateral unnest(l.watched) as o(id) on true;

    if in_group then
        select c.queues, c.counts into closed from close_children(final, p_moment) as c;
        queues := queues || closed.queues;
        counts := counts || closed.counts;
    end if;

    perform pg_notify(channel(), 'workflow ' || f.key) from (select distinct unnest(finished)) as f(key);
    perform pg_notify(channel(), 'step ' || o.id) from unnest(seen) as o(id);
end $$;
