"""The query that reads what explains steps: the steps themselves, what they lead to, and where they would run."""

from __future__ import annotations

from functools import cache
from typing import Literal

MOST_LINKS = 600
"""How many links from step to step are followed. A chain is followed as far as this."""
LINKS_OF_A_STEP = 8
MOST_ROOTS = 20
"""How many steps with an entry are read in full."""

STEP = """
    select s.id, 1
      from w
      join lateral (
               select r.id
                 from {schema}.steps r
                where r.id >= {schema}.step_of(w.key, 0) and r.id < {schema}.step_of(w.key + 1, 0)
                  and r.name = $2 and (r.role is null or r.role not in ('gate', 'end'))
               offset 0
           ) s on true"""
"""The step with a name. There is no index on names: the steps of the workflow are read once."""

STEPS = """
    select i.id, i.n
      from w
     cross join unnest($2::bigint[]) with ordinality as i(id, n)
     where {schema}.workflow_of(i.id) = w.key"""

# What holds up a workflow are its entries; in one that ended, the steps that failed.
RUN = """
    (
        select e.step_id, row_number() over (order by e.rank, e.step_id)
          from w
          join lateral (
                   select q.step_id, case q.state when 'executing' then 1 when 'available' then 2 else 3 end as rank
                     from {schema}.queue q
                    where q.step_id >= {schema}.step_of(w.key, 0) and q.step_id < {schema}.step_of(w.key + 1, 0)
                   offset 0
               ) e on w.state = 'executing'
         order by e.rank, e.step_id
         limit 20
    )
     union all
    (
        select f.id, row_number() over (order by f.rank, f.id)
          from w
          join lateral (
                   select r.id,
                          case when r.first_child is not null then 2 when r.state = 'discarded' then 1 else 3 end
                              as rank
                     from {schema}.steps r
                    where r.id >= {schema}.step_of(w.key, 0) and r.id < {schema}.step_of(w.key + 1, 0)
                      and case
                              when w.state = 'failed' then r.state in ('discarded', 'cancelled') and not r.not_needed
                              else r.awaits_attempts and r.finished_at is null
                          end
                   offset 0
               ) f on w.state in ('failed', 'executing')
         order by f.rank, f.id
         limit 20
    )"""


_TARGETS = {"step": STEP, "steps": STEPS, "run": RUN}


@cache
def query(about: Literal["step", "steps", "run"], schema: str) -> str:
    """Return the query: $1 is the workflow's id, $2 the step's name or the steps' ids. It returns one row, or none."""
    text = _QUERY.replace("{targets}", _TARGETS[about]).replace("{links}", _LINKS).replace("{step}", _STEP)
    follows = "u.via is null" if about == "steps" else "true"
    numbers = {
        "{follows}": follows,
        "{most}": str(MOST_LINKS),
        "{width}": str(LINKS_OF_A_STEP),
        "{roots}": str(MOST_ROOTS),
    }
    for name, value in numbers.items():
        text = text.replace(name, value)
    return text.replace("{schema}", schema)


# What a step waits for, or what ended it. Ranges are read in order of the key, so that the planner goes by the primary
# key, however large it estimates the range.
_LINKS = """
    select d.id
      from (
               select x.id
                 from unnest(s.dependencies) as o(ordinal)
                 join lateral (
                          select r.id, r.state, r.finished_at
                            from {schema}.steps r
                           where r.id = {schema}.sibling_of(s.id, o.ordinal)
                          offset 0
                      ) x on case
                                 when s.finished_at is null then x.finished_at is null
                                 else x.state in ('cancelled', 'discarded', 'skipped')
                             end
                where s.first_child is null or s.state in ('cancelled', 'skipped')
                limit {width}
           ) d
     union all
    select c.step_id
      from (
               select e.step_id
                 from {schema}.queue e
                where s.state = 'suspended'
                  and e.step_id >= {schema}.sibling_of(s.id, s.first_child)
                  and e.step_id < {schema}.sibling_of(s.id, s.first_child + s.children)
                order by e.step_id
                limit {width} / 2
           ) c
     union all
    select c.id
      from (
               select r.id
                 from {schema}.steps r
                where s.first_child is not null
                  and r.id >= {schema}.sibling_of(s.id, s.first_child)
                  and r.id < {schema}.sibling_of(s.id, s.first_child + s.children)
                  and case
                          when s.finished_at is null then r.state = 'suspended'
                          else s.state <> 'completed'
                               and r.state in ('cancelled', 'discarded', 'skipped')
                               and not r.not_needed
                      end
                order by r.id
                limit {width} / 2
           ) c
     union all
    select h.id
      from (
               select r.id
                 from {schema}.steps m
                 join {schema}.steps r
                   on r.id >= {schema}.sibling_of(m.id, m.first_child)
                  and r.id < {schema}.sibling_of(m.id, m.first_child + m.children)
                where s.state = 'suspended'
                  and s.parent is not null
                  and not s.holds_slot
                  and m.id = {schema}.sibling_of(s.id, s.parent)
                  and m.concurrency is not null
                  and r.holds_slot
                  and r.finished_at is null
                order by r.id
                limit {width} / 2
           ) h"""

_STEP = """json_build_object(
    'id', s.id, 'name', s.name, 'state', coalesce(q.state, s.state), 'worker', s.worker, 'queue', s.queue,
    'attempt', coalesce(q.attempt, s.attempt), 'max_attempts', s.max_attempts, 'pending', s.pending, 'role', s.role,
    'grouping', s.grouping, 'children', case when s.first_child is not null then s.children end, 'needs', s.needs,
    'round', s.round, 'reason', s.reason, 'outcome', s.outcome, 'refusals', s.refusals, 'not_needed', s.not_needed,
    'is_join', coalesce(q.is_join, false), 'deadline', s.deadline, 'start_within', s.start_within,
    'awaits', s.awaits, 'condition', s.condition, 'ending', s.ending,
    'group', case
                 when s.parent is not null then (
                     select g.name from {schema}.steps g where g.id = {schema}.sibling_of(s.id, s.parent)
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
    'slot', case
                when s.state = 'suspended' and s.parent is not null then (
                    with recursive around(id, parent, holds_slot) as (
                        select s.id, s.parent, s.holds_slot
                         union all
                        select g.id, g.parent, g.holds_slot
                          from around a
                          join {schema}.steps g on g.id = {schema}.sibling_of(a.id, a.parent)
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
                      join {schema}.steps m on m.id = {schema}.sibling_of(a.id, a.parent)
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
                          join {schema}.steps x on x.id = u.step_id
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
                             join {schema}.workflows o on o.id = a.run_id and o.state = 'executing'
                            where c.key <> w.key and cardinality(c.path) < 20 and o.id <> all(c.path[2:])
                       )
                       select to_json(f.path[:cardinality(f.path) - 1])
                         from (select c.key, c.path from chase c limit 500) as f
                        where f.key = w.key
                        limit 1
                   )
               )
           end,
    'limit', case when q.state = 'available' then {schema}.limit_of(s.id) end,
    'next', coalesce(n.next, '{}')
)"""

_QUERY = """
with recursive w as materialized (
    select w.key, w.id, w.state, w.remaining, w.ending, clock_timestamp() as now
      from {schema}.workflows w
     where w.id = $1
), target(id, rank) as materialized ({targets}
), up(id, via) as (
    select t.id, null::bigint from target t
     union
    select n.id, u.id
      from up u
      join lateral (select r.* from {schema}.steps r where r.id = u.id offset 0) s
        on s.state in ('suspended', 'cancelled', 'discarded', 'skipped')
     cross join lateral ({links}) n
     where {follows}
), links as materialized (
    select u.id, u.via from up u limit {most}
), node as materialized (
    select l.id, bool_or(l.via is null) as is_target from links l group by l.id
     union all
    -- A chain too long to follow leads to what runs or may run.
    select a.step_id, false
      from w
     cross join lateral (
               select q.step_id
                 from {schema}.queue q
                where q.step_id >= {schema}.step_of(w.key, 0) and q.step_id < {schema}.step_of(w.key + 1, 0)
                order by q.step_id
                limit 3
           ) a
     where (select count(*) from links) >= {most} and a.step_id not in (select l.id from links l)
), living as materialized (
    -- By the lease as well: if every pool is gone, none is left to mark them dead.
    select p.queues, p.limits, p.workers
      from {schema}.pools p, w
     where p.dead_at is null and p.expires_at > w.now
), root as materialized (
    -- Roots wait for no other step; of those, the first ones.
    select e.step_id as id
      from node n
      join lateral (select q.step_id from {schema}.queue q where q.step_id = n.id offset 0) e on true
     order by n.is_target desc, n.id
     limit {roots}
), queued as materialized (
    select distinct s.queue
      from root r
      join lateral (select x.queue from {schema}.steps x where x.id = r.id offset 0) s on true
), facts as (
    select {step} as step
      from w
     cross join node n0
      join lateral (select r.* from {schema}.steps r where r.id = n0.id offset 0) s on true
      left join lateral (select e.* from {schema}.queue e where e.step_id = n0.id offset 0) q on true
      left join lateral (select array_agg(l.id) as next from links l where l.via = n0.id) n on true
     where q.step_id is null or n0.id in (select r.id from root r)
)
select json_build_object(
           'id', w.id, 'state', w.state, 'remaining', w.remaining, 'ending', w.ending,
           'targets', array(select t.id from target t order by t.rank, t.id),
           'steps', (select coalesce(json_agg(f.step), '[]') from facts f),
           'queues', (
               select coalesce(json_agg(json_build_object(
                          'name', u.queue,
                          'paused_seconds', (
                              select extract(epoch from w.now - z.paused_at)::float8
                                from {schema}.queue_settings z
                               where z.queue = u.queue
                          ),
                          'slots', (
                              select sum(o.slots)
                                from living l
                               cross join unnest(l.queues, l.limits) as o(queue, slots)
                               where o.queue = u.queue
                          ),
                          'taken', (
                              select count(*) from {schema}.queue e where e.state = 'executing' and e.queue = u.queue
                          ),
                          'holders', (
                              select coalesce(
                                         json_agg(
                                             json_build_object('workflow', f.id, 'step', x.name, 'seconds', h.seconds)
                                         ),
                                         '[]'
                                     )
                                from (
                                         select e.step_id, extract(epoch from w.now - e.attempted_at)::float8 as seconds
                                           from {schema}.queue e
                                          where e.state = 'executing' and e.queue = u.queue
                                          order by e.attempted_at
                                          limit 3
                                     ) h
                                join {schema}.steps x on x.id = h.step_id
                                join {schema}.workflows f on f.key = {schema}.workflow_of(h.step_id)
                          )
                      )), '[]')
                 from queued u
           )
       )::text as facts
  from w
"""
