-- Cancel what these steps, which start now, no longer need, and undo what of that had begun. Those
-- that do not start, because their condition does not hold, cancel nothing.
--
-- ended: what was cancelled, for the caller to apply the consequences. opened: undos to be
--   released.
-- Locks: the entries of the cancelled steps, in order of step; the caller holds the lock of the
-- workflows.
create or replace function cancel_rests(p_ids bigint[], p_moment timestamptz, out ended bigint[], out opened bigint[])
language plpgsql
as $$
declare
    consumer bigint;
begin
    ended := '{}';
    opened := '{}';
    for consumer in select s.id from steps s where s.id = any(p_ids) and s.cancels_rest order by s.id loop
        -- It may be what another of these needs no more.
        continue when not exists (
            select from steps s where s.id = consumer and (s.state = 'queued' or s.role = 'gate' and s.state = 'completed')
        );
        ended := ended || cancel_rest(consumer, p_moment);
    end loop;
    if cardinality(ended) > 0 then
        opened := undo_unneeded(ended, p_moment);
    end if;
end $$;
