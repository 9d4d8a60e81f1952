-- The one channel on which this schema notifies: a prefix and a hash, as a channel's name is short and a schema's may not be.
-- What is said on it, names and ids only, and of entries how many:
--   queue COUNT NAME   at least so many entries, a power of ten, were released there that the caller did not claim itself
--   due MILLISECONDS   an entry was delayed by so little that waiting for the poll would be late
--   cancel POOL        claims of this pool are void
--   workflow KEY       a watched workflow finished
--   step ID            a watched step became final
create or replace function channel() returns text
language sql stable
as $$ select 'baton_' || left(md5(current_schema()), 16) $$;
