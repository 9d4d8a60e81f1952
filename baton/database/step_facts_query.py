"""What is read of one step: `s` is its row, `q` its entry, `w` its workflow, `g` the gate of a group that ended it."""

STEP_FACTS = """json_build_object(
    'id', s.id, 'name', s.name, 'workflow', w.id,
    'state', coalesce(q.state, s.state), 'worker', s.worker, 'queue', s.queue,
    'attempt', coalesce(q.attempt, s.attempt), 'max_attempts', s.max_attempts, 'pending', s.pending, 'role', s.role,
    'grouping', s.grouping, 'children', case when s.first_child is not null then s.children end, 'needs', s.needs,
    'round', s.round, 'reason', coalesce(g.reason, s.reason), 'outcome', s.outcome, 'refusals', s.refusals,
    'not_needed', s.not_needed,
    'is_join', coalesce(q.is_join, false), 'deadline', s.deadline, 'start_within', s.start_within,
    'awaits', s.awaits, 'ending', s.ending,
    'condition', coalesce(s.condition, g.condition),
    'group', case
                 when s.parent is not null then (
                     select g.name from {schema}.steps g where g.id = any(array[{schema}.sibling_of(s.id, s.parent)])
                 )
             end,
    'error', s.errors[cardinality(s.errors)] ->> 'error', 'error_kind', s.errors[cardinality(s.errors)] ->> 'kind',
    'running_seconds', extract(epoch from w.now - q.attempted_at)::float8,
    'due_in', case when isfinite(q.scheduled_at) then extract(epoch from q.scheduled_at - w.now)::float8 end,
    'waits_until', case when isfinite(q.ends_at) then extract(epoch from q.ends_at - w.now)::float8 end,
    'starts_within', case
                         when s.finished_at is null and s.start_within is not null then (
                             select extract(epoch from d.due_at - w.now)::float8
                               from {schema}.deadlines d
                              where d.step_id = s.id and d.kind = 'start'
                         )
                     end,
    'ends_within', case
                       when s.finished_at is null and s.deadline is not null then (
                           select extract(epoch from d.due_at - w.now)::float8
                             from {schema}.deadlines d
                            where d.step_id = s.id and d.kind = 'end'
                       )
                   end,
    'is_ripe', case
                   when s.awaits is not null and q.state = 'waiting' then exists (
                       select
                         from {schema}.signals g
                        where g.workflow = w.key and g.name = s.name and g.sent_at is not null
                   )
                   else false
               end,
    'pool', case
                when q.pool is not null then (
                    select json_build_object(
                               'name', p.name, 'host', p.host, 'pid', p.pid,
                               'silent_seconds', extract(epoch from w.now - p.beat_at)::float8,
                               'lease_left', extract(epoch from p.expires_at - w.now)::float8,
                               'is_dead', p.dead_at is not null,
                               'is_silent', p.beat_at + (p.expires_at - p.beat_at) / 2 < w.now
                           )
                      from {schema}.pools p
                     where p.id = q.pool
                )
            end,
    'is_known', case
                    when q.step_id is not null and q.state <> 'waiting' then exists (
                        select from living l where s.queue = any(l.queues) and (q.is_join or s.worker = any(l.workers))
                    )
                end,
    'pause', case
                 when q.step_id is not null and q.state <> 'executing' and s.awaits is null then (
                     select json_build_object('of', z.kind, 'seconds', extract(epoch from w.now - z.paused_at)::float8)
                       from (
                                select split_part(p.subject, ' ', 1) as kind, p.paused_at
                                  from {schema}.paused_starts p
                                 where p.subject in ('run ' || w.key, 'worker ' || s.worker)
                                 order by p.subject
                                 limit 1
                            ) z
                 )
             end,
    'slot', case
                when s.state = 'suspended' and s.parent is not null then (
                    with recursive around(id, parent, holds_slot) as (
                        select s.id, s.parent, s.holds_slot
                         union all
                        select g.id, g.parent, g.holds_slot
                          from around a
                          join {schema}.steps g on g.id = any(array[{schema}.sibling_of(a.id, a.parent)])
                    )
                    select json_build_object(
                               'map', m.name, 'concurrency', m.concurrency,
                               'holders', array(
                                   select r.name
                                     from {schema}.steps r
                                    where r.id >= {schema}.sibling_of(m.id, m.first_child)
                                      and r.id < {schema}.sibling_of(m.id, m.first_child + m.children)
                                      and r.holds_slot and r.finished_at is null
                                    order by r.id
                                    limit 3
                               )
                           )
                      from around a
                      join lateral (
                               select g.id, g.name, g.concurrency, g.first_child, g.children
                                 from {schema}.steps g
                                where g.id = {schema}.sibling_of(a.id, a.parent)
                               offset 0
                           ) m on true
                     where m.concurrency is not null and not a.holds_slot
                     limit 1
                )
            end,
    'attempts', case
                    when s.awaits_attempts and s.finished_at is null then (
                        select json_build_object(
                                   'steps', array_agg(distinct x.name),
                                   'pools', array_remove(array_agg(distinct p.name), null)
                               )
                          from {schema}.unended_attempts u
                          join {schema}.steps x on x.id = any(array[u.step_id])
                          left join {schema}.pools p on p.id = u.pool
                         where u.step_id >= {schema}.step_of(w.key, 0) and u.step_id < {schema}.step_of(w.key + 1, 0)
                    )
                end,
    'run', case
               when q.state = 'waiting' and s.awaits ->> 'type' = 'run' then json_build_object(
                   'state', (select o.state from {schema}.workflows o where o.id = s.awaits ->> 'id'),
                   'circle', (
                       with recursive chase(key, id, path) as (
                           select o.key, o.id, array[w.id, o.id]
                             from {schema}.workflows o
                            where o.id = s.awaits ->> 'id' and o.state = 'executing'
                            union all
                           select o.key, o.id, c.path || o.id
                             from chase c
                             join {schema}.awaited_runs a
                               on a.step_id >= {schema}.step_of(c.key, 0) and a.step_id < {schema}.step_of(c.key + 1, 0)
                             join lateral (
                                      select x.key, x.id, x.state
                                        from {schema}.workflows x
                                       where x.id = a.run_id
                                      offset 0
                                  ) o on o.state = 'executing'
                            where c.key <> w.key and cardinality(c.path) < 20 and o.id <> all(c.path[2:])
                       )
                       select to_json(f.path[:cardinality(f.path) - 1])
                         from (select c.key, c.path from chase c limit 500) as f
                        where f.key = w.key
                        limit 1
                   )
               )
           end,
    'call', case
                when s.state in ('cancelled', 'skipped', 'completed') then (
                    select json_build_object(
                               'action', i.action, 'is_whole', i.steps is null, 'actor', i.actor, 'role', i.role,
                               'reason', i.reason
                           )
                      from {schema}.interventions i
                     where i.workflow = w.key
                       and i.action = any(
                               case s.state when 'completed' then array['complete'] else array['cancel', 'skip'] end
                           )
                       -- Not by an earlier call, after which it was retried. A group may end long after the call.
                       and (i.at > s.finished_at - interval '1 s' or s.first_child is not null and s.ending is not null)
                       and (i.steps is null or exists (
                               select
                                 from unnest(i.steps) as n(name)
                                where s.name = n.name
                                   or starts_with(s.name, n.name || '/')
                                   or starts_with(s.name, n.name || '[')
                           ))
                     order by i.at desc
                     limit 1
                )
            end,
    'limit', case when q.state = 'available' then {schema}.limit_of(s.id) end,
    'next', coalesce(n.next, '{}')
)"""
"""See `baton.core.explaining.facts.StepFacts`."""
