-- Register a worker pool; return its id.
--
-- Its first lease is p_lease seconds. A process that registers again is another pool.
create or replace function register(
    p_name text, p_host text, p_pid integer, p_queues text[], p_limits integer[], p_workers text[], p_lease double precision
) returns bigint
language sql security definer
as $$
    insert into pools (name, host, pid, queues, limits, workers, expires_at)
    values (p_name, p_host, p_pid, p_queues, p_limits, p_workers, clock_timestamp() + interval '1 second' * p_lease)
    returning id
$$;
