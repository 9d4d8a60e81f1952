-- Claim available entries for a pool, under a token that the pool drew before the call, and count
-- the attempt.
--
-- A join is no attempt. A pool that is dead or unknown gets nothing. A queue with settings, which
-- has limits or is paused, is claimed from by claim_limited. A repeated call waits for the first (an advisory lock on the token) and returns what
-- that one took, so a token never takes more than its limits.
-- p_queues, p_limits: parallel; how many entries of each queue at most. A negative limit says that
--   the pool has seen the queue empty: then -limit, and only if the queue is one of p_released.
-- p_is_patient: the call settles nothing, and may wait for locks of other claims.
-- p_memory: what the pool remembers of queues with limits, as a JSON object by queue, see
--   claim_limited; null for nothing.
-- taken: the steps in claim order: by queue as given, then priority, position, step; null for none.
-- attempts, joins: parallel to taken.
-- counts: parallel to p_queues; how many of each. Null if an earlier call took them.
-- has_pauses: a run or a worker is paused, and the caller has to put aside what it must not start
--   (see put_aside).
-- memory: what the pool is to remember of the queues that have settings; null for none.
-- Locks: claims_gate; entries, without waiting for any; last what claim_limited locks, in the order
-- of the queues' names. An entry that another claim took and committed a moment
-- ago, after this statement's snapshot, is locked before it is seen to be executing, and stays
-- locked until this call ends. Its settle may wait for that. This call waits for nothing then, so
-- it is no deadlock.
create or replace function claim_entries(
    p_pool bigint, p_queues text[], p_limits integer[], p_token uuid, p_released text[], p_is_patient boolean, p_memory json,
    out taken bigint[], out attempts integer[], out joins boolean[], out counts integer[], out memory json, out has_pauses boolean
)
language plpgsql
as $$
declare
    replay    bigint := uuid_hash_extended(p_token, 0);
    is_replay boolean;
    is_alive  boolean;
    is_open   boolean := true;
    managed   text[];
    place     integer;
    learned   text[] := '{}';
    picked    tid[];
    claimed   record;
    limited   record;
begin
    if not pg_try_advisory_xact_lock(replay) then
        perform pg_advisory_xact_lock(replay);
    end if;
    if not pg_try_advisory_xact_lock_shared(claims_gate()) then
        is_open := p_is_patient;
        if p_is_patient then
            perform pg_advisory_xact_lock_shared(claims_gate());
        end if;
    end if;
    select exists (select from queue q where q.pool = p_pool and q.token = p_token and q.state = 'executing'),
           exists (select from pools p where p.id = p_pool and p.dead_at is null),
           (select array_agg(s.queue) from queue_settings s where s.queue = any(p_queues)),
           exists (select from paused_starts)
      into is_replay, is_alive, managed, has_pauses;
    if is_replay then
        has_pauses := false;
        select array_agg(h.step_id), array_agg(h.attempt), array_agg(h.is_join)
          into taken, attempts, joins
          from (
              select q.step_id, q.attempt, q.is_join
                from queue q
               where q.pool = p_pool and q.token = p_token and q.state = 'executing'
               order by q.priority, q.position, q.step_id
          ) as h;
    end if;
    if is_replay or not is_alive then
        return;
    end if;

    counts := array_fill(0, array[cardinality(p_queues)]);
    if not is_open then
        -- Limits are being changed. What settles must not wait for that, because the change waits
        -- for entries that are being settled.
        memory := (select json_object_agg(u.queue, json_build_object('next_in', 0)) from unnest(p_queues) as u(queue));
        return;
    end if;
    for i in 1 .. cardinality(p_queues) loop
        continue when p_limits[i] < 0 and p_queues[i] <> all(p_released);
        continue when p_queues[i] = any(managed);
        -- By their place in the table: the rows are locked, so they stay there.
        picked := array(
            select q.ctid
              from queue q
             where q.state = 'available' and q.lane is null and q.queue = p_queues[i]
             order by q.priority, q.position, q.step_id
             limit abs(p_limits[i])
               for no key update skip locked
        );
        continue when cardinality(picked) = 0;
        with updated as (
            -- available -> executing
            update queue q
               set state = 'executing',
                   pool = p_pool,
                   token = p_token,
                   attempt = q.attempt + (not q.is_join)::integer,
                   attempted_at = clock_timestamp()
             where q.ctid = any(picked)
         returning q.step_id, q.attempt, q.is_join, q.priority, q.position
        )
        select array_agg(c.step_id) as ids, array_agg(c.attempt) as attempts, array_agg(c.is_join) as joins
          into claimed
          from (select u.step_id, u.attempt, u.is_join from updated u order by u.priority, u.position, u.step_id) as c;
        taken := taken || claimed.ids;
        attempts := attempts || claimed.attempts;
        joins := joins || claimed.joins;
        counts[i] := cardinality(claimed.ids);
    end loop;
    if managed is null then
        return;
    end if;

    foreach place in array array(
        select u.n::integer from unnest(p_queues) with ordinality as u(queue, n) where u.queue = any(managed) order by u.queue
    ) loop
        continue when p_limits[place] < 0 and p_queues[place] <> all(p_released);
        limited := claim_limited(p_pool, p_queues[place], abs(p_limits[place]), p_token, p_is_patient, p_memory -> p_queues[place]);
        taken := taken || limited.taken;
        attempts := attempts || limited.attempts;
        joins := joins || limited.joins;
        counts[place] := coalesce(cardinality(limited.taken), 0);
        learned := learned || array[p_queues[place], limited.memory::text];
    end loop;
    select json_object_agg(l.queue, l.memory)
      into memory
      from (select learned[n] as queue, learned[n + 1]::json as memory from generate_series(1, cardinality(learned), 2) as n) as l;
end $$;
