-- End a pool's lease at once, because it runs nothing any more.
--
-- The next sweep rescues what it left behind.
-- Locks: the pool's row.
create or replace function deregister(p_pool bigint) returns void
language sql security definer
as $$
    update pools p
       set dead_at = clock_timestamp(),
           tokens = '{}'
     where p.id = p_pool
       and p.dead_at is null
$$;
