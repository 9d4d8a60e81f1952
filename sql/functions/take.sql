-- Claim up to p_limits[i] available entries of p_queues[i] for a pool, under a token the pool drew before the call, and
-- count the attempt, which a join is not. A negative limit says that the pool has seen the queue empty: claim up to -p_limits[i]
-- if the queue is one of p_released. taken: the steps in claim order: by queue as given, then priority, position, step.
-- counts: how many of each queue, parallel to p_queues; null if they were taken before.
--
-- A call that is sent again waits for the first (an advisory lock on the token) and returns what the first took, so one
-- token never takes more than its limits. A pool that is dead or unknown is given nothing, and a paused queue gives nothing.
-- Locks: entries only, skipping those that others hold.
create or replace function take(
    p_pool bigint, p_queues text[], p_limits integer[], p_token uuid, p_released text[],
    out taken bigint[], out counts integer[]
)
language plpgsql
set search_path from current
as $$
declare
    replay   bigint := uuid_hash_extended(p_token, 0);
    is_alive boolean;
    picked   bigint[];
begin
    if not pg_try_advisory_xact_lock(replay) then
        perform pg_advisory_xact_lock(replay);
    end if;
    select array(
               select q.step_id
                 from queue q
                where q.pool = p_pool and q.token = p_token and q.state = 'executing'
                order by q.priority, q.position, q.step_id
           ),
           exists (select from pools p where p.id = p_pool and p.dead_at is null)
      into taken, is_alive;
    if cardinality(taken) > 0 or not is_alive then
        return;
    end if;

    counts := array_fill(0, array[cardinality(p_queues)]);
    for i in 1 .. cardinality(p_queues) loop
        continue when p_limits[i] < 0 and p_queues[i] <> all(p_released);
        with picked as materialized (
            select q.step_id
              from queue q
             where q.state = 'available' and q.queue = p_queues[i]
               and not exists (select from pauses p where p.queue = p_queues[i])
             order by q.priority, q.position, q.step_id
             limit abs(p_limits[i])
               for no key update skip locked
        ), claimed as (
            -- available -> executing
            update queue q
               set state = 'executing',
                   pool = p_pool,
                   token = p_token,
                   attempt = q.attempt + (not q.is_join)::integer,
                   attempted_at = clock_timestamp()
              from picked p
             where q.step_id = any(array[p.step_id])
         returning q.step_id, q.priority, q.position
        )
        select array_agg(c.step_id order by c.priority, c.position, c.step_id) into picked from claimed c;
        if picked is not null then
            taken := taken || picked;
            counts[i] := cardinality(picked);
        end if;
    end loop;
end $$;
