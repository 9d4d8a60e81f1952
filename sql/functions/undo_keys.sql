-- The fields of an undo, as write_undos reads them.
create or replace function undo_keys() returns text[]
language sql immutable parallel safe
return array[
           'worker', 'queue', 'priority', 'max_attempts', 'timeout', 'deadline', 'start_within', 'backoff', 'lane', 'units', 'takes_context',
           'args', 'arg_refs'
       ];
