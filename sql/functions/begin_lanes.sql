-- Let the entries of a queue have lanes, for a pause of one.
-- Locks: claims_gate, the queue's row in queue_settings, then what executes.
create or replace function begin_lanes(p_queue text) returns void
language plpgsql
as $$
begin
    if exists (select from queue_settings s where s.queue = p_queue and s.is_laned) then
        return;
    end if;
    perform pg_advisory_xact_lock(claims_gate());
    insert into queue_settings as s (queue, has_limits, is_laned)
    values (p_queue, true, true)
        on conflict (queue) do update
       set has_limits = true,
           is_laned = true;
end $$;
