-- Hand the free slots of these maps to the children that wait for one, in item order. Returns these children, which are queued now,
-- for the caller to release. The caller holds the lock of the workflow.
create or replace function hand_slots(p_maps bigint[]) returns bigint[]
language plpgsql
set search_path from current
as $$
declare
    m       record;
    waiting bigint[];
    handed  bigint[] := '{}';
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
               and c.first_child is null
             order by c.id
             limit m.slots
        );
        -- suspended -> queued
        update steps c
           set state = 'queued',
               pending = 0,
               holds_slot = true
         where c.id = any(waiting);
        update steps g
           set slots = g.slots - cardinality(waiting),
               next_child = case
                                when cardinality(waiting) < m.slots then m.children
                                else (waiting[cardinality(waiting)] & 4194303)::integer + 1 - m.first_child
                            end
         where g.id = m.id;
        handed := handed || waiting;
    end loop;
    return handed;
end $$;
