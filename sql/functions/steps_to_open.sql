-- Which steps a retry opens (see retry).
--
-- A named group with children stands for those of its children that are discarded or cancelled, at
-- any depth, and for skipped ones if it was skipped itself. A final group is opened with the first
-- of its children. Steps of earlier rounds stay as they are; one that is named is refused.
-- p_undone: what was undone; it is opened with everything downstream of it.
-- p_downstream: so is what was named, or failed. A named group in which nothing failed runs again
--   as a whole. What is downstream and waits for its next attempt is opened as well; what executes
--   there, or has expanded and is not final, is refused.
-- again: of the opened ones, steps that had expanded and run again from the start: closing steps
--   over what is opened, what was undone itself, and what is downstream of that. Their children are
--   not opened, but deleted (see unexpand).
-- Locks: none; the caller holds the lock of the workflow.
create or replace function steps_to_open(
    p_key bigint, p_names text[], p_undone bigint[], p_downstream boolean,
    out opening bigint[], out again bigint[], out unknown text[], out refused text[]
)
language plpgsql stable
as $$
declare
    named  bigint[];
    groups bigint[];
    idle   bigint[];
    whole  boolean := false;
    rounds boolean := exists (
        select from steps s where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0) and s.round > 1
    );
    undone bigint[] := '{}';
    closed bigint[];
begin
    if p_names is null then
        named := array(
            select s.id
              from steps s
             where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
               and s.state in ('discarded', 'cancelled')
               and not s.not_needed
               and s.undoes is null
               and not (rounds and is_in_past_round(s.id))
        );
    else
        select coalesce(array_agg(s.id), '{}'),
               array_agg(s.name) filter (
                   where s.finished_at is null and s.first_child is null or rounds and is_in_past_round(s.id)
               )
          into named, refused
          from steps s
         where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
           -- As a part of `or` it is looked up in a hash table; `= any(p_names)` compares each step
           -- with each name.
           and (p_names is null or s.name in (select unnest(p_names)));
        unknown := array(
            select n.name from unnest(p_names) as n(name)
            except
            select s.name from steps s where s.id = any(named)
        );
        groups := array(select s.id from steps s where s.id = any(named) and s.first_child is not null);
        idle := array(select s.id from steps s where s.id = any(groups) and s.state = 'skipped');
        named := array(
            select s.id from steps s where s.id = any(named) and s.first_child is null
             union
            select c.id from steps c where c.id = any(with_descendants(groups)) and c.state in ('discarded', 'cancelled')
             union
            select c.id from steps c where c.id = any(with_descendants(idle)) and c.state = 'skipped'
        );
        whole := true;
    end if;
    if p_downstream then
        -- A group is opened with what failed in it, and does not run again unless nothing did.
        p_undone := p_undone || array(select s.id from steps s where s.id = any(named) and s.first_child is null)
                    || whole_groups(groups, named);
    end if;
    if cardinality(p_undone) > 0 then
        undone := array(
            -- A group around something that was undone does not run again, but what waits for it
            -- does.
            with recursive below(id, is_around) as (
                select u.id, false from unnest(p_undone) as u(id)
                 union
                select reached.id, reached.is_around
                  from below b
                  join steps p on p.id = any(array[b.id])
                 cross join lateral (
                     select c.id, false as is_around, c.finished_at, c.state, c.first_child, c.grouping
                       from unnest(p.dependents) as d(ordinal)
                       join steps c on c.id = any(array[sibling_of(p.id, d.ordinal)])
                      union all
                     select g.id, true, g.finished_at, null, null, null
                       from steps g
                      where g.id = any(array[sibling_of(p.id, p.parent)])
                 ) as reached
                 where reached.finished_at is not null
                    or p_downstream and (reached.state = 'queued' or reached.first_child is not null)
                   and reached.grouping is distinct from 'workflow'
            )
            select distinct b.id from below b where not b.is_around
        );
    end if;
    if p_downstream then
        refused := refused || array(
            select s.name
              from steps s
              left join queue q on q.step_id = any(array[s.id])
             where s.id = any(undone)
               and s.id <> all(named)
               and s.finished_at is null
               and (s.first_child is not null or q.state = 'executing')
             order by s.id
        );
    end if;
    opening := array(
        with recursive open(id) as (
            select n.id from unnest(named || undone) as n(id)
             union
            select reached.id
              from open b
              join steps p on p.id = any(array[b.id])
             cross join lateral (
                 -- what was ended downstream; of a group, what failed in it
                 select o.id
                   from unnest(p.dependents) as d(ordinal)
                   join steps c on c.id = any(array[sibling_of(p.id, d.ordinal)])
                  cross join lateral unnest(
                      case when c.first_child is null then array[c.id] else with_descendants(array[c.id]) end
                  ) as o(id)
                   join steps e on e.id = any(array[o.id])
                  where (whole or p.state = 'skipped')
                    and c.state in ('cancelled', 'skipped')
                    and case
                            when c.needs is not null then p.state <> 'completed' and not edge_observes(c, ordinal_of(p.id))
                            else not edge_ignores(c, ordinal_of(p.id), p.state)
                        end
                    and (e.id = c.id or e.state in ('discarded', 'cancelled'))
                  union all
                 -- the closing steps over it, and its scope's end
                 select c.id
                   from unnest(p.dependents) as d(ordinal)
                   join steps c on c.id = any(array[sibling_of(p.id, d.ordinal)])
                   left join steps g on g.id = any(array[sibling_of(c.id, c.parent)]) and c.role = 'gate'
                  where coalesce(g.role, nullif(c.role, 'gate')) in ('always', 'on failure', 'end')
                    and c.finished_at is not null
                    and p.undoes is null
                  union all
                 -- all of a closing group, whose gate is one of these
                 select c.id
                   from steps g
                   join steps c on c.id = any(with_descendants(array[g.id]))
                  where p.role = 'gate'
                    and g.id = any(array[sibling_of(p.id, p.parent)])
                    and g.role is not null
                    and c.finished_at is not null
                  union all
                 -- what its condition ended, which is evaluated again
                 select c.id
                   from unnest(p.dependents) as d(ordinal)
                   join steps c on c.id = any(array[sibling_of(p.id, d.ordinal)])
                  where c.condition is not null
                    and c.state in ('skipped', 'discarded')
                    and not c.began
                  union all
                 -- the group that waits for it
                 select g.id
                   from steps g
                  where g.id = sibling_of(p.id, p.parent)
                    and g.finished_at is not null
             ) as reached
             where not (rounds and is_in_past_round(reached.id))
        )
        select o.id from open o order by o.id
    );
    closed := array(
        select g.id
          from steps s
          join steps g on g.id = any(array[sibling_of(s.id, s.parent)])
         where s.id = any(opening)
           and s.role = 'gate'
           and g.role is not null
    );
    again := array(
        select g.id
          from steps g
         where g.id = any(opening)
           and g.first_child is not null
           and g.grouping in ('map', 'graph')
           and (
                   g.id = any(undone)
                   or g.id = any(with_descendants(closed))
                   or g.role in ('always', 'on failure') and exists (
                          select
                            from unnest(g.dependencies) as o(ordinal)
                            join steps p on p.id = any(array[sibling_of(g.id, o.ordinal)])
                           where p.id = any(opening) and p.undoes is null
                      )
               )
    );
    opening := array(
        select o.id
          from unnest(opening) as o(id)
         where again = '{}' or not is_below(o.id, again)
         order by o.id
    );
    again := array(select g.id from unnest(again) as g(id) where g.id = any(opening));
end $$;
