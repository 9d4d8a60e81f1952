-- Make a step the group of the children that were written in this transaction, and release those
-- that wait for nothing. The last part of expand and expand_map.
--
-- p_base: ordinal of the first child. p_total: steps written. p_children: how many of them, the
--   first ones, are its own children. p_returns: ordinal of the child whose result is the group's,
--   or null.
-- Locks: none; begin_expansion has taken them.
create or replace function finish_expansion(
    p_step bigint, p_base integer, p_total integer, p_children integer, p_returns integer
) returns void
language plpgsql
as $$
declare
    moment   timestamptz := clock_timestamp();
    needing  bigint[];
    queued   bigint[];
    decided  record;
    rest     record;
    released record;
    failed   bigint;
    ended    bigint[] := '{}';
    applied  record;
    freed    record;
begin
    -- executing -> suspended
    with entry as (
        delete from queue q where q.step_id = p_step
     returning q.step_id, q.token, q.attempt, q.attempted_at, q.pool, q.queue, q.lane, q.slot
    ), expanded as (
        update steps s
           set state = 'suspended',
               pending = p_children,
               first_child = p_base,
               children = p_children,
               returns = p_returns,
               grouping = coalesce(s.grouping, 'graph'),
               slots = s.concurrency - least(s.concurrency, p_children),
               next_child = least(s.concurrency, p_children),
               failures_left = map_allowance(s.map, p_children) + 1,
               completions_left = (s.map ->> 'needs')::integer,
               outcome = 'expanded',
               token = e.token,
               attempt = e.attempt,
               attempted_at = e.attempted_at,
               pool = e.pool,
               refusals = 0,
               -- No user code runs for a map itself, nor for an item of a map of a workflow. Any other
               -- step expands because its worker returned a graph.
               began = s.began or (s.map is null and s.worker <> 'baton.item'),
               reason = null
          from entry e
         where s.id = e.step_id
    )
    select array_agg(e.queue) as queues, array_agg(e.lane) as lanes
      into freed
      from entry e
     where e.slot is not null or e.lane <> '';

    -- Below a closing step all outlives a cancel. Where the step ran before, its children have its
    -- generation, for what they did then was undone.
    update steps c
       set is_closing = c.is_closing or g.is_closing,
           generation = g.generation
      from steps g
     where g.id = p_step
       and (g.is_closing or g.generation > 1)
       and c.id >= sibling_of(p_step, p_base) and c.id < sibling_of(p_step, p_base + p_total);

    -- A child whose dependency outside the graph ended unfavourably, and that does not ignore it,
    -- ends at once.
    for failed in
        select d.id
          from steps d
         where d.id = any(array(
                   select sibling_of(p_step, o.ordinal)
                     from steps c
                    cross join lateral unnest(c.dependencies) as o(ordinal)
                    where c.id >= sibling_of(p_step, p_base) and c.id < sibling_of(p_step, p_base + p_total)
                      and o.ordinal < p_base
               ))
           and d.state in ('cancelled', 'discarded', 'skipped')
         order by d.state = 'skipped', d.id
    loop
        ended := ended || end_dependents(failed, moment);
    end loop;

    needing := array(
        select c.id
          from steps c
         where c.id >= sibling_of(p_step, p_base) and c.id < sibling_of(p_step, p_base + p_total)
           and c.needs is not null
           and c.state = 'suspended'
           and exists (select from unnest(c.dependencies) as o(ordinal) where o.ordinal < p_base)
    );
    if needing <> '{}' then
        ended := ended || (select n.ended from apply_needs(needing, moment) as n);
    end if;

    queued := array(
        select c.id
          from steps c
         where c.id >= sibling_of(p_step, p_base) and c.id < sibling_of(p_step, p_base + p_total)
           and c.state = 'queued'
    );
    decided := decide_steps(queued, moment);
    ended := ended || decided.ended;
    if needing <> '{}' then
        rest := cancel_rests(needing, moment);
        ended := ended || rest.ended;
        queued := array(select q.id from unnest(queued) as q(id) where q.id <> all(rest.ended)) || rest.opened;
    end if;
    select r.queues, r.counts
      into released
      from release(
               array(select q.id from unnest(queued) as q(id) where q.id <> all(decided.ended || decided.waiting)), moment
           ) as r;
    perform notify_freed(freed.queues, freed.lanes);
    perform notify_queues(released.queues, released.counts);
    if cardinality(ended) > 0 then
        select c.queues, c.counts into applied from apply_consequences(ended, moment, false) as c;
        perform notify_queues(applied.queues, applied.counts);
        update workflows w set failed = count_bad_ends(w.key) where w.key = workflow_of(p_step) and w.finished_at is null;
    end if;
end $$;
