-- Lock parts of a queue's limit, count what executes in each, and return the slots that are free:
-- for each one the number of its part, at most p_room. Null if other claims hold every part.
--
-- Each pool begins with another part. The count is a statement of its own, after the lock: together
-- they would count what was there before the lock was free.
-- p_is_patient: wait for a part. Only for a call that settles nothing, because settling locks
--   workflows.
-- Locks: rows of queue_parts.
create or replace function free_slots(p_pool bigint, p_queue text, p_room integer, p_is_patient boolean) returns smallint[]
language plpgsql
as $$
declare
    parts     integer := (select count(*) from queue_parts p where p.queue = p_queue);
    slots     smallint[] := '{}';
    is_locked boolean := false;
    locked    record;
begin
    for i in 0 .. parts - 1 loop
        exit when cardinality(slots) >= p_room;
        select p.part, p.size
          into locked
          from queue_parts p
         where p.queue = p_queue
           and p.part = 1 + (p_pool + i) % parts
           for no key update skip locked;
        if found then
            is_locked := true;
            slots := slots || slots_of_part(p_queue, locked.part, locked.size, p_room - cardinality(slots));
        end if;
    end loop;
    if is_locked or not p_is_patient then
        return case when is_locked then slots end;
    end if;
    select p.part, p.size
      into locked
      from queue_parts p
     where p.queue = p_queue
       and p.part = 1 + p_pool % parts
       for no key update;
    return slots_of_part(p_queue, locked.part, locked.size, p_room);
end $$;
