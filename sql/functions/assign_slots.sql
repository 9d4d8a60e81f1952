-- Give the free slots of these maps to the children that wait for one, in item order.
--
-- Returns the steps that are queued now, for the caller to release: such a child or, if it is a
-- group that was opened again, the steps below it that were opened.
-- Locks: none; the caller holds the lock of the workflow.
create or replace function assign_slots(p_maps bigint[]) returns bigint[]
language plpgsql
as $$
declare
    m       record;
    waiting bigint[];
    below   bigint[];
    queued  bigint[] := '{}';
begin
    for m in
        select s.id, s.first_child, s.children, s.next_child, s.slots from steps s where s.id = any(p_maps) and s.slots > 0
    loop
        waiting := array(
            select c.id
              from steps c
             where c.id >= sibling_of(m.id, m.first_child + m.next_child) and c.id < sibling_of(m.id, m.first_child + m.children)
               and c.state = 'suspended'
               and not c.holds_slot
             order by c.id
             limit m.slots
        );
        update steps c set holds_slot = true where c.id = any(waiting);
        update steps g
           set slots = g.slots - cardinality(waiting),
               next_child = case
                                when cardinality(waiting) < m.slots then m.children
                                else ordinal_of(waiting[cardinality(waiting)]) + 1 - m.first_child
                            end
         where g.id = m.id;

        -- A child that is a group waits for its children: the steps below it that are not final
        -- wait for its slot.
        below := with_descendants(waiting);
        with lowered as (
            -- suspended -> queued, once nothing is pending
            update steps c
               set pending = c.pending - 1,
                   state = case when c.pending = 1 then 'queued' else c.state end
             where c.id = any(below)
               and c.state = 'suspended'
               and c.first_child is null
         returning c.id, c.pending
        )
        select queued || coalesce(array_agg(l.id) filter (where l.pending = 0), '{}') into queued from lowered l;
    end loop;
    return queued;
end $$;
