-- End a pool's lease at once: it runs nothing any more. Whatever it left behind is rescued by the next sweep.
create or replace function deregister(p_pool bigint) returns void
language sql security definer
as $$
    update pools p
       set dead_at = clock_timestamp(),
           tokens = '{}'
     where p.id = p_pool
       and p.dead_at is null
$$;
