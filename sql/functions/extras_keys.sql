-- What only some steps have, as write_steps reads it. `outer` is not among it: only a step of a
-- returned graph has that.
create or replace function extras_keys() returns text[]
language sql immutable parallel safe
return array[
           'kind', 'edges', 'when', 'role', 'is_closing', 'is_last', 'needs', 'cancels_rest', 'undo', 'undo_inputs', 'awaits',
           'scope'
       ];
