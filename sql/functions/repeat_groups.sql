-- Begin the next rounds of these groups, which were judged completed and have been asked for them:
-- each is again the step that it was before its worker returned a graph, with other arguments. The
-- steps of the earlier rounds stay as they are, but for those that are to be pruned.
--
-- executing -> queued, with an entry that is scheduled or available
-- p_tokens, p_pools: parallel to p_groups; of the joins.
-- queues: the queue of each that is available.
-- Locks: none; apply_outcomes has taken them.
create or replace function repeat_groups(p_groups bigint[], p_tokens uuid[], p_pools bigint[], p_moment timestamptz) returns text[]
language plpgsql
as $$
declare
    repeated record;
    due      timestamptz;
    queues   text[] := '{}';
begin
    for repeated in
        select g.id, g.queue, g.lane, g.units, g.priority, g.again, o.token, o.pool
          from unnest(p_groups, p_tokens, p_pools) as o(id, token, pool)
          join steps g on g.id = any(array[o.id])
         order by o.id
    loop
        perform begin_round(repeated.id, repeated.again -> 'arguments');
        update steps g
           set state = 'queued',
               grouping = null,
               first_child = null,
               children = null,
               returns = null,
               attempt = 0,
               outcome = 'joined',
               token = repeated.token,
               pool = repeated.pool
         where g.id = repeated.id;
        perform prune_rounds(repeated.id, (repeated.again ->> 'keep_rounds')::integer);
        due := p_moment + interval '1 second' * coalesce((repeated.again ->> 'after')::double precision, 0);
        insert into queue (step_id, priority, queue, lane, units, scheduled_at, position, state)
        values (
            repeated.id, repeated.priority, repeated.queue,
            case
                when exists (select from queue_settings l where l.queue = repeated.queue and l.is_laned)
                then coalesce(repeated.lane, '-')
            end,
            repeated.units, due, due, case when due > p_moment then 'scheduled' else 'available' end
        );
        if due > p_moment then
            perform notify_due(due, p_moment);
        else
            queues := queues || repeated.queue::text;
        end if;
    end loop;
    return queues;
end $$;
