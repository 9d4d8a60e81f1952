-- When a step that begins to wait at this moment ends unless what it awaits has come; null for
-- never.
create or replace function wait_ends_at(p_awaits json, p_moment timestamptz) returns timestamptz
language sql stable
as $$
    select case
               when p_awaits ->> 'until' is not null then (p_awaits ->> 'until')::timestamptz
               else p_moment + interval '1 second' * (p_awaits ->> 'seconds')::double precision
           end
$$;
