-- How many steps of a workflow make it fail: outside groups, discarded or cancelled, needed, and
-- not forgiven.
create or replace function count_failures(p_key bigint) returns integer
language sql stable
as $$
    select count(*)::integer
      from steps s
     where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
       and s.parent is null
       and s.state in ('discarded', 'cancelled')
       and not s.not_needed
       and not failure_is_ignored(s)
$$;
