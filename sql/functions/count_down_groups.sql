-- Count down the groups of steps that have just become final.
--
-- A group whose last child ended becomes available for its join. Slots that were freed go to
-- children that wait for one. A map ends with the first failure that it does not tolerate, or when
-- as many children completed as it needs. See apply_consequences.
-- queues, counts: parallel; how many entries became available in each queue.
-- Locks: none; the caller holds the locks of the workflows.
create or replace function count_down_groups(
    p_ids bigint[], p_moment timestamptz,
    out queues text[], out counts integer[]
)
language plpgsql
as $$
declare
    joining  bigint[];
    free     bigint[];
    limits   bigint[];
    assigned bigint[];
    decided  record;
    final    bigint[];
    applied  record;
    map      record;
    ended    record;
begin
    with counted as (
        select sibling_of(s.id, s.parent) as id, count(*)::integer as ended, (count(*) filter (where s.holds_slot))::integer as slots,
               (count(*) filter (where s.state = 'completed'))::integer as completed,
               (count(*) filter (where s.state = 'skipped'))::integer as skipped,
               (count(*) filter (where s.state in ('discarded', 'cancelled') and not s.not_needed))::integer as failed
          from steps s
         where s.id = any(p_ids)
           and s.parent is not null
         group by 1
    ), lowered as (
        -- suspended -> queued, once no child is left
        update steps g
           set pending = g.pending - c.ended,
               state = case when g.pending = c.ended then 'queued' else g.state end,
               slots = g.slots + c.slots,
               -- A child that is skipped is missing where some have to complete, and is none of the
               -- failures that are tolerated.
               failures_left = g.failures_left - c.failed - case when g.completions_left is not null then c.skipped else 0 end,
               completions_left = g.completions_left - c.completed
          from counted c
         where g.id = any(array[c.id])
           and g.state = 'suspended'
     returning g.id, g.pending, g.slots, g.ending is not null as is_ending,
               g.failures_left <= 0 and c.failed + c.skipped > 0 or g.completions_left <= 0 and c.completed > 0 as is_decided
    )
    select array_agg(l.id) filter (where l.pending = 0),
           array_agg(l.id) filter (where l.pending > 0 and l.slots > 0 and l.is_decided is not true and not l.is_ending),
           array_agg(l.id) filter (where l.pending > 0 and l.is_decided and not l.is_ending)
      into joining, free, limits
      from lowered l;
    if free is not null then
        update steps s set holds_slot = false where s.id = any(p_ids) and s.holds_slot;
        assigned := assign_slots(free);
        if exists (
            select
              from steps s
             where s.id = any(assigned)
               and (s.condition is not null or s.role is not null or s.awaits is not null)
        ) then
            decided := decide_steps(assigned, p_moment);
            final := decided.ended;
            assigned := decided.opened || array(
                select a.id from unnest(assigned) as a(id) where a.id <> all(decided.ended || decided.waiting)
            );
        end if;
        joining := joining || assigned;
    end if;
    if joining is not null then
        select r.queues, r.counts into queues, counts from release(joining, p_moment) as r;
    end if;
    if cardinality(final) > 0 then
        applied := apply_consequences(final, p_moment, false);
        queues := queues || applied.queues;
        counts := counts || applied.counts;
    end if;
    if limits is not null then
        for map in
            select l.id, v.state, v.reason
              from unnest(limits) as l(id)
             cross join lateral map_verdict(l.id) as v
             where v.state is not null
             order by l.id
        loop
            ended := end_scope(workflow_of(map.id), map.id, map.state, map.reason, p_moment);
            queues := queues || ended.queues;
            counts := counts || ended.counts;
        end loop;
    end if;
end $$;
