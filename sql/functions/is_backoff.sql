-- Whether this is a backoff as a job has it: seconds, or an object with some of base, maximum and
-- jitter (see baton/core/retry.py).
create or replace function is_backoff(p_backoff json) returns boolean
language sql immutable parallel safe
return case json_typeof(p_backoff)
           when 'null' then true
           when 'number' then (p_backoff #>> '{}')::numeric between 0 and 3162240000
           when 'object' then
               json_typeof(coalesce(p_backoff -> 'base', '2')) = 'number'
               and json_typeof(coalesce(p_backoff -> 'maximum', '0')) = 'number'
               and json_typeof(coalesce(p_backoff -> 'jitter', '0')) = 'number'
               and coalesce((p_backoff ->> 'base')::numeric, 2) between 1 and 1000
               and coalesce((p_backoff ->> 'maximum')::numeric, 0) between 0 and 3162240000
               and coalesce((p_backoff ->> 'jitter')::numeric, 0) between 0 and 1
               and not exists (select from json_object_keys(p_backoff) as k(key) where k.key not in ('base', 'maximum', 'jitter'))
           else p_backoff is null
       end;
