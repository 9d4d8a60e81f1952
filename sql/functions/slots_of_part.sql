-- The free slots of a part of a queue's limit, which the caller has locked, at most p_room: its
-- number for each.
create or replace function slots_of_part(p_queue text, p_part smallint, p_size integer, p_room integer) returns smallint[]
language plpgsql
as $$
declare
    executing integer;
begin
    select count(*)
      into executing
      from (
          select from queue q where q.queue = p_queue and q.slot = p_part and q.state = 'executing' limit p_size
      ) as e;
    return array_fill(p_part, array[greatest(0, least(p_room, p_size - executing))]);
end $$;
