-- Make a workflow final whose steps have just been cancelled, and notify those that listen.
--
-- executing -> cancelled
-- Locks: none; the caller holds the lock of the workflow.
create or replace function finish_cancelled(p_key bigint, p_ids bigint[], p_moment timestamptz) returns void
language plpgsql
as $$
begin
    update workflows w
       set state = 'cancelled',
           remaining = 0,
           failed = count_bad_ends(p_key),
           ending = null,
           finished_at = p_moment
     where w.key = p_key;
    delete from paused_starts p where p.subject = 'run ' || p_key;
    perform announce_finished(array[w.key]) from workflows w where w.key = p_key and w.watched;
    perform pg_notify(channel(), 'step ' || s.id) from steps s where s.id = any(p_ids) and s.watched;
end $$;
