-- Claim up to p_limits[i] available entries of p_queues[i] for a pool, under a token the pool drew before the call, and
-- count the attempt, which a join is not. Returns the steps in claim order: by queue as given, then priority, position, step.
--
-- A call that is sent again waits for the first (an advisory lock on the token) and returns what the first took, so one
-- token never takes more than its limits. A pool that is dead or unknown is given nothing, and a paused queue gives nothing.
-- Locks: entries only, skipping those that others hold.
create or replace function take(p_pool bigint, p_queues text[], p_limits integer[], p_token uuid) returns bigint[]
language plpgsql
set search_path from current
as $$
declare
    taken  bigint[];
    picked bigint[];
begin
    perform pg_advisory_xact_lock(uuid_hash_extended(p_token, 0));
    taken := array(
        select q.step_id
          from queue q
         where q.pool = p_pool and q.token = p_token and q.state = 'executing'
         order by q.priority, q.position, q.step_id
    );
    if cardinality(taken) > 0
       or not exists (select from pools p where p.id = p_pool and p.dead_at is null) then
        return taken;
    end if;

    for i in 1 .. cardinality(p_queues) loop
        picked := array(
            select q.step_id
              from queue q
             where q.state = 'available' and q.queue = p_queues[i]
               and not exists (select from pauses p where p.queue = p_queues[i])
             order by q.priority, q.position, q.step_id
             limit p_limits[i]
               for no key update skip locked
        );
        -- available -> executing
        update queue q
           set state = 'executing',
               pool = p_pool,
               token = p_token,
               attempt = q.attempt + (not q.is_join)::integer,
               attempted_at = clock_timestamp()
         where q.step_id = any(picked);
        taken := taken || picked;
    end loop;
    return taken;
end $$;
