-- The worker whose arguments a step replaces when it asks for another round: its own, or that of
-- the group around it (see looping_group). Null if there is no such step.
create or replace function round_worker(p_step bigint) returns text
language sql stable security definer
as $$
    select coalesce((select g.worker from steps g where g.id = any(array[looping_group(s)])), s.worker)
      from steps s
     where s.id = any(array[p_step])
$$;
