-- Wake the pools that serve a queue: more of what waits there may start. A thousand entries wake
-- every pool at once.
create or replace function notify_available(p_queue text) returns void
language plpgsql
as $$
declare
    waiting integer;
begin
    select count(*)
      into waiting
      from (
          (select from queue q where q.state = 'available' and q.lane is null and q.queue = p_queue limit 1000)
          union all
          (select from queue q where q.state = 'available' and q.lane is not null and q.queue = p_queue limit 1000)
      ) as w;
    perform notify_queues(array[p_queue], array[greatest(1, waiting)]);
end $$;
