-- Count down the groups of steps that have just become final.
--
-- A group whose last child ended becomes available for its join. Slots that were freed go to
-- children that wait for one. See apply_consequences.
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
    assigned bigint[];
    decided  record;
    final    bigint[];
    applied  record;
begin
    with counted as (
        select sibling_of(s.id, s.parent) as id, count(*)::integer as ended, (count(*) filter (where s.holds_slot))::integer as slots
          from steps s
         where s.id = any(p_ids)
           and s.parent is not null
         group by 1
    ), lowered as (
        -- suspended -> queued, once no child is left
        update steps g
           set pending = g.pending - c.ended,
               state = case when g.pending = c.ended then 'queued' else g.state end,
               slots = g.slots + c.slots
          from counted c
         where g.id = any(array[c.id])
           and g.state = 'suspended'
     returning g.id, g.pending, g.slots
    )
    select array_agg(l.id) filter (where l.pending = 0),
           array_agg(l.id) filter (where l.pending > 0 and l.slots > 0)
      into joining, free
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
end $$;
