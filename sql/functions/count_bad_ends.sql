-- How many steps of a workflow ended badly: outside groups, discarded or cancelled, and needed. Some of these may be forgiven.
create or replace function count_bad_ends(p_key bigint) returns integer
language sql stable
as $$
    select count(*)::integer
      from steps s
     where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
       and s.parent is null
       and s.state in ('discarded', 'cancelled')
       and not s.not_needed
$$;
