-- The one channel on which this schema notifies: a prefix and a hash, because a channel's name is
-- short and a schema's may not be.
--
-- Notifications carry names, ids and numbers of entries only:
--   queue COUNT NAME   at least COUNT entries, a power of ten, were released there, and the caller
--                      did not claim them itself
--   lane LENGTH QUEUE LANE  a step of this lane has ended, and others wait in its queue, whose name
--                      has LENGTH characters
--   due MILLISECONDS   an entry is due so soon that the poll would be late
--   end MILLISECONDS   a deadline is due so soon that the poll would be late
--   ripe MILLISECONDS  what a step waits for has come, or its time is up so soon that the poll
--                      would be late (see end_waits)
--   cancel POOL        claims of this pool are void
--   workflow KEY       a watched workflow finished
--   step ID            a watched step became final
--   stream KEY         something was published to a followed stream of this workflow
--   steps KEY          steps of a followed workflow became final, or say how far they are
create or replace function channel() returns text
language sql stable
as $$ select 'baton_' || left(md5(current_schema()), 16) $$;
