-- Notify those that wait for these workflows, which have just finished: clients, and steps of
-- others.
--
-- Locks: rows of awaited_runs, which nobody holds for long.
create or replace function announce_finished(p_keys bigint[]) returns void
language plpgsql
as $$
begin
    perform pg_notify(channel(), 'workflow ' || f.key) from unnest(p_keys) as f(key);
    update awaited_runs a set is_new = true where a.run_key = any(p_keys) and not a.is_new;
    if found then
        perform pg_notify(channel(), 'ripe 0');
    end if;
end $$;
