-- The fields of the terms on which a step runs, as write_steps reads them.
create or replace function terms_keys() returns text[]
language sql immutable parallel safe
return array[
           'number', 'worker', 'queue', 'priority', 'max_attempts', 'timeout', 'backoff', 'scheduled_at', 'schedule_in',
           'lane', 'units', 'concurrency', 'tolerate', 'needs', 'deadline', 'start_within', 'ignore_cancelled', 'ignore_discarded', 'ignore_skipped', 'takes_context'
       ];
