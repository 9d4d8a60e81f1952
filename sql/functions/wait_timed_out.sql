-- Why a step is discarded whose time was up before what it awaits came.
create or replace function wait_timed_out(p_awaits json) returns text
language sql immutable
as $$
    select format('no %s came within %s s', p_awaits ->> 'type', p_awaits ->> 'seconds')
$$;
