-- Note that attempts whose claims were void have really ended (see end_entries), and release the
-- closing steps and undos that waited for that.
--
-- queues, counts: parallel; how many steps became available in each queue.
-- Locks: none; the caller holds the locks of the workflows.
create or replace function end_attempts(
    p_ids bigint[], p_tokens uuid[],
    out queues text[], out counts integer[]
)
language plpgsql
as $$
declare
    moment  timestamptz := clock_timestamp();
    keys    bigint[];
    ready   bigint[];
    decided record;
    opened  record;
    drawn   record;
begin
    with gone as (
        delete from unended_attempts u
         using unnest(p_ids, p_tokens) as e(id, token)
         where u.step_id = any(array[e.id])
           and u.token = e.token
     returning u.step_id
    )
    select array_agg(distinct workflow_of(g.step_id)) into keys from gone g;
    if keys is null then
        return;
    end if;
    -- suspended -> queued, for the decision
    with updated as (
        update steps s
           set state = 'queued',
               pending = 0,
               awaits_attempts = false
         where s.id = any(array(
                   select s.id
                     from unnest(keys) as k(key)
                    cross join lateral (
                        select r.id from steps r
                         where r.id >= step_of(k.key, 0) and r.id < step_of(k.key + 1, 0) and r.awaits_attempts
                        offset 0
                    ) as s
               ))
           and s.state = 'suspended'
     returning s.id
    )
    select array_agg(u.id) into ready from updated u;
    if ready is null then
        return;
    end if;
    decided := decide_steps(ready, moment);
    opened := release(
        array(select r.id from unnest(ready) as r(id) where r.id <> all(decided.ended || decided.waiting)) || decided.opened, moment
    );
    queues := opened.queues;
    counts := opened.counts;
    if cardinality(decided.ended) > 0 then
        drawn := apply_consequences(decided.ended, moment, false);
        queues := queues || drawn.queues;
        counts := counts || drawn.counts;
    end if;
end $$;
