-- Let a paused queue go on, and wake the pools that serve it. Sent again it wakes them again, which is harmless.
-- resumed: false if it was not paused.
create or replace function resume(p_queue text, out resumed boolean)
language plpgsql security definer
as $$
declare
    waiting integer;
begin
    delete from pauses p where p.queue = p_queue;
    resumed := found;
    -- A thousand bring every pool at once.
    select count(*) into waiting
      from (select from queue q where q.state = 'available' and q.queue = p_queue limit 1000) as w;
    perform notify_queues(array[p_queue], array[greatest(1, waiting)]);
end $$;
