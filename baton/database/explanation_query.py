"""The query that reads what explains steps: the steps themselves, what they lead to, and where they would run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

from baton.database.step_facts_query import STEP_FACTS

MOST_LINKS = 150
"""How many links from step to step are followed, each of which takes some 50 µs. A chain is followed as far as this."""
LINKS_OF_A_STEP = 4
MOST_AT_ONCE = 400
"""How many steps may be asked about in one query."""
MOST_ENTRIES = 2_000
"""Of a workflow with more entries, these are ranked by what holds it up."""
MOST_COUNTED = 20_000
"""In a workflow with more steps, those of the engine itself are counted with the others: it is not read as a whole."""
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

IDS = """
    select i.id, i.n
      from w
     cross join unnest($2::bigint[]) with ordinality as i(id, n)
     where {schema}.workflow_of(i.id) = w.key"""

NAMES = STEP.replace("r.name = $2", "r.name in (select unnest($2::text[]))")

# What holds up a workflow are its entries; in one that ended, the steps that failed.
RUN = """
    (
        select e.step_id, row_number() over (order by e.rank, e.step_id)
          from w
          join lateral (
                   select q.step_id, case q.state when 'executing' then 1 when 'available' then 2 else 3 end as rank
                     from {schema}.queue q
                    where q.step_id >= {schema}.step_of(w.key, 0) and q.step_id < {schema}.step_of(w.key + 1, 0)
                    order by q.step_id
                    limit {entries}
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
               ) f on w.state = 'failed' or w.state = 'executing' and w.has_closing
         order by f.rank, f.id
         limit 20
    )"""


About = Literal["step", "names", "ids", "run"]
_TARGETS: Mapping[About, str] = {"step": STEP, "names": NAMES, "ids": IDS, "run": RUN}


@cache
def query(about: About, schema: str) -> str:
    """Return the query: $1 is the workflow's id, $2 the name of the step, or names or ids of steps.

    It returns one row, or none.
    """
    text = _QUERY.replace("{targets}", _TARGETS[about]).replace("{links}", _LINKS).replace("{step}", STEP_FACTS)
    text = text.replace("{own}", _OWN if about == "run" else "0")
    values = {
        "follows": "u.via is null" if about in ("names", "ids") else "true",
        "most": MOST_LINKS if about in ("step", "run") else MOST_AT_ONCE * (1 + LINKS_OF_A_STEP),
        "width": LINKS_OF_A_STEP,
        "roots": MOST_ROOTS if about in ("step", "run") else MOST_AT_ONCE * (1 + LINKS_OF_A_STEP),
        "entries": MOST_ENTRIES,
        "counted": MOST_COUNTED,
    }
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
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
                  and m.id = any(array[{schema}.sibling_of(s.id, s.parent)])
                  and m.concurrency is not null
                  and r.holds_slot
                  and r.finished_at is null
                order by r.id
                limit {width} / 2
           ) h
     union all
    select {schema}.sibling_of(s.id, s.parent)
     where s.parent is not null and s.state in ('cancelled', 'skipped') and s.reason like 'its workflow was %'"""

# The engine's own steps that are not final.
_OWN = """(
               select count(*)::integer
                 from (
                          select r.role
                            from {schema}.steps r
                           where r.id >= {schema}.step_of(w.key, 0) and r.id < {schema}.step_of(w.key + 1, 0)
                             and w.state = 'executing' and w.total <= {counted} and r.finished_at is null
                          offset 0
                      ) o
                where o.role in ('gate', 'end')
           )"""

_QUERY = """
with recursive w as materialized (
    select w.key, w.id, w.state, w.total, w.remaining, w.ending, w.has_closing, clock_timestamp() as now
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
      -- A gate that let nothing through has the reason of its group.
      left join lateral (
               select r.reason, r.condition
                 from (
                          select x.role, x.reason, x.condition, x.state
                            from {schema}.steps x
                           where s.grouping = 'workflow' and s.state in ('cancelled', 'discarded', 'skipped')
                             and x.id >= {schema}.sibling_of(s.id, s.first_child)
                             and x.id < {schema}.sibling_of(s.id, s.first_child + s.children)
                          offset 0
                      ) r
                where r.role = 'gate' and r.state in ('cancelled', 'discarded', 'skipped')
                limit 1
           ) g on true
      left join lateral (select array_agg(l.id) as next from links l where l.via = n0.id) n on true
     where q.step_id is null or n0.id in (select r.id from root r)
)
select json_build_object(
           'id', w.id, 'state', w.state, 'remaining', w.remaining - {own}, 'ending', w.ending,
           'call', case
                       when w.state = 'cancelled' then (
                           select json_build_object(
                                      'action', i.action, 'is_whole', true, 'actor', i.actor, 'role', i.role,
                                      'reason', i.reason
                                  )
                             from {schema}.interventions i
                            where i.workflow = w.key and i.action = 'cancel' and i.steps is null
                            order by i.at desc
                            limit 1
                       )
                   end,
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
                                join {schema}.steps x on x.id = any(array[h.step_id])
                                join {schema}.workflows f on f.key = any(array[{schema}.workflow_of(h.step_id)])
                          )
                      )), '[]')
                 from queued u
           )
       )::text as facts
  from w
"""
