-- The advisory lock that each claim takes shared, until it commits, and a change of limits takes
-- alone. So no claim goes by limits older than the last change.
create or replace function claims_gate() returns bigint
language sql immutable parallel safe
as $$ select hashint8extended('queue_settings'::regclass::bigint, 0) $$;
