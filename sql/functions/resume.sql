-- Resume a paused queue, and wake the pools that serve it.
--
-- A repeated call wakes them again, which is harmless.
-- p_actor: who resumes it; noted as an intervention.
-- resumed: false if it was not paused.
-- Locks: the queue's row in pauses.
create or replace function resume(p_queue text, p_actor text default null, out resumed boolean)
language plpgsql security definer
as $$
declare
    waiting integer;
begin
    delete from pauses p where p.queue = p_queue;
    resumed := found;
    if resumed then
        perform note_intervention(null, 'resume', p_actor, p_subject => p_queue);
    end if;
    -- A thousand entries wake every pool at once.
    select count(*) into waiting
      from (select from queue q where q.state = 'available' and q.queue = p_queue limit 1000) as w;
    perform notify_queues(array[p_queue], array[greatest(1, waiting)]);
end $$;
