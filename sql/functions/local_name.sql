-- The name a step has inside its group: what follows the last slash.
create or replace function local_name(p_name text) returns text
language sql immutable parallel safe
return substring(p_name from '[^/]*$');
