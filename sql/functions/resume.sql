-- Let a paused queue go on, and wake the pools that serve it. Sent again it wakes them again, which is harmless.
-- resumed: false if it was not paused.
create or replace function resume(p_queue text, out resumed boolean)
language plpgsql security definer
set search_path from current
set lock_timeout = '1s'
as $$
begin
    delete from pauses p where p.queue = p_queue;
    resumed := found;
    perform announce(array[p_queue], array[1]);
end $$;
