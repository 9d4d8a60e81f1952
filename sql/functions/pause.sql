-- Pause a queue: from now on no claim takes an entry of it, whatever pool asks. What runs goes on and settles; what is due
-- becomes available and stays so. Claims that are under way may still commit. It survives restarts of pools and server.
-- paused: false if it was paused already.
create or replace function pause(p_queue text, out paused boolean)
language plpgsql security definer
as $$
begin
    insert into pauses (queue)
    values (p_queue)
        on conflict do nothing;
    paused := found;
end $$;
