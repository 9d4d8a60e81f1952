-- Pause a queue: from now on no claim takes an entry of it, for any pool.
--
-- Running attempts go on and settle. Entries that are due become available and stay so. Claims that
-- are under way may still commit. A pause survives restarts of pools and server.
-- p_actor: who pauses it; noted as an intervention.
-- paused: false if it was paused already.
-- Locks: the queue's row in pauses.
create or replace function pause(p_queue text, p_actor text default null, out paused boolean)
language plpgsql security definer
as $$
begin
    insert into pauses (queue)
    values (p_queue)
        on conflict do nothing;
    paused := found;
    if paused then
        perform note_intervention(null, 'pause', p_actor, p_subject => p_queue);
    end if;
end $$;
