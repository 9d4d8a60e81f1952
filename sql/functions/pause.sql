-- Pause a queue, or a lane of it: from now on no claim takes an entry of it, for any pool.
--
-- Running attempts go on and settle. Entries that are due become available and stay so. Claims that
-- are under way may still commit. A pause survives restarts of pools and server.
-- p_actor: who pauses it; noted as an intervention.
-- p_lane: null for the whole queue. Otherwise its entries get lanes from now on.
-- paused: false if it was paused already.
-- Locks: the queue's row in queue_settings; claims_gate, if entries had no lanes.
create or replace function pause(p_queue text, p_actor text default null, p_lane text default null, out paused boolean)
language plpgsql security definer
as $$
begin
    if p_lane is null then
        insert into queue_settings as s (queue, paused_at)
        values (p_queue, clock_timestamp())
            on conflict (queue) do update
           set paused_at = excluded.paused_at
         where s.paused_at is null;
    else
        perform begin_lanes(p_queue);
        insert into paused_lanes (queue, lane)
        values (p_queue, p_lane)
            on conflict do nothing;
    end if;
    paused := found;
    if paused then
        perform note_intervention(null, 'pause', p_actor, p_subject => p_queue || coalesce(', lane ' || p_lane, ''));
    end if;
end $$;
