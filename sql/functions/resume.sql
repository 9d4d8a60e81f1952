-- Resume a paused queue, or a lane of it, and wake the pools that serve the queue.
--
-- A repeated call wakes them again, which is harmless.
-- p_actor: who resumes it; noted as an intervention.
-- resumed: false if it was not paused.
-- Locks: the queue's row in queue_settings, or the lane's in paused_lanes.
create or replace function resume(p_queue text, p_actor text default null, p_lane text default null, out resumed boolean)
language plpgsql security definer
as $$
begin
    if p_lane is null then
        update queue_settings s set paused_at = null where s.queue = p_queue and s.paused_at is not null;
        resumed := found;
        delete from queue_settings s where s.queue = p_queue and s.paused_at is null and not s.has_limits;
    else
        delete from paused_lanes p where p.queue = p_queue and p.lane = p_lane;
        resumed := found;
        perform pg_notify(channel(), format('lane %s %s %s', length(p_queue), p_queue, p_lane));
    end if;
    if resumed then
        perform note_intervention(null, 'resume', p_actor, p_subject => p_queue || coalesce(', lane ' || p_lane, ''));
    end if;
    perform notify_available(p_queue);
end $$;
