-- Notify those that follow these workflows that steps have ended, at most four times a second each.
--
-- A follower that read a change reads again half a second later, so it misses nothing of what is
-- not announced.
-- Locks: none; the caller holds the locks of the workflows.
create or replace function announce_steps(p_keys bigint[], p_moment timestamptz) returns void
language plpgsql
as $$
declare
    followed bigint;
begin
    for followed in
        update workflows w
           set announced_at = p_moment
         where w.key = any(p_keys)
           and (w.announced_at is null or w.announced_at not between p_moment - interval '0.25 s' and p_moment)
     returning w.key
    loop
        perform pg_notify(channel(), 'steps ' || followed);
    end loop;
end $$;
