-- Choose entries of these lanes, of one priority, as the limits of each lane and p_room allow: lane
-- by lane, at most p_turn of each. A lane that another claim holds, or that is paused, is passed
-- over.
--
-- p_units: how many units may start in the queue. p_moment: when the chosen ones start.
-- An entry with more units than a burst starts when the burst is whole: the limit was lowered after
-- it was inserted. It still costs all its units.
-- chosen: where the entries are. used: their units. last: the lane that was served last.
-- earned_at: when the first of the lanes whose rates are used up has earned its next entry.
-- is_more: a lane gave all that a turn allows, or another claim holds one.
-- blocked_by: units up to and with the first entry for which p_units was too little. Those behind it
--   wait as well: smaller ones could keep it from its start for good.
-- Locks: one advisory lock for each lane, without waiting; then rows of lane_rates.
create or replace function choose_in_lanes(
    p_setting queue_settings, p_priority smallint, p_lanes text[], p_turn integer, p_room integer, p_units bigint,
    p_moment timestamptz,
    out chosen tid[], out used bigint, out last text, out earned_at timestamptz, out is_more boolean, out blocked_by bigint
)
language plpgsql
as $$
declare
    going  text[] := array(
        select l.lane
          from unnest(p_lanes) with ordinality as l(lane, n)
         where not exists (select from paused_lanes p where p.queue = p_setting.queue and p.lane = l.lane)
         order by l.n
    );
    locked text[] := array(
        select l.lane
          from unnest(going) with ordinality as l(lane, n)
         where pg_try_advisory_xact_lock(hashtextextended(p_setting.queue || ' ' || l.lane, claims_gate()))
         order by l.n
    );
begin
    with free as materialized (
        select l.lane, l.n, r.spent,
               least(p_room, p_turn, case when p_setting.lane_running is not null then p_setting.lane_running - e.executing end) as entries,
               free_units(r.spent, p_setting.lane_starts, p_setting.lane_per, p_setting.lane_burst, p_moment) as units
          from unnest(locked) with ordinality as l(lane, n)
         cross join lateral (
             select count(*)::integer as executing
               from (
                   select
                     from queue q
                    where q.state = 'executing' and q.lane is not null and q.queue = p_setting.queue and q.lane = l.lane
                    limit coalesce(p_setting.lane_running, 0)
               ) as c
         ) as e
          left join lateral (
             select t.spent
               from lane_rates t
              where p_setting.lane_starts is not null and t.queue = p_setting.queue and t.lane = l.lane
             offset 0
         ) as r on true
    ), waiting as materialized (
        select f.lane, f.n, f.spent, f.units as free_units, e.place, e.nth, e.units, e.cost, e.total
          from free f
         cross join lateral (
             select q.ctid as place, row_number() over own as nth, u.units, coalesce(q.units, 1) as cost,
                    sum(u.units) over own as total
               from queue q
              cross join lateral (
                  select least(coalesce(q.units, 1), floor(p_setting.lane_burst), floor(p_setting.burst))::bigint as units
              ) as u
              where q.state = 'available' and q.lane is not null
                and q.queue = p_setting.queue and q.priority = p_priority and q.lane = f.lane
             window own as (order by q.position, q.step_id)
              order by q.position, q.step_id
              limit greatest(0, f.entries)
         ) as e
    ), fitting as (
        select w.lane, w.n, w.place, w.units, w.cost,
               sum(w.units) over (order by w.n, w.nth rows unbounded preceding) as total,
               row_number() over (order by w.n, w.nth) as nth
          from waiting w
         where w.total <= w.free_units
    ), taken as materialized (
        select f.lane, f.n, f.place, f.cost from fitting f where f.nth <= p_room and f.total <= p_units
    ), noted as (
        insert into lane_rates as r (queue, lane, spent)
        select p_setting.queue, t.lane,
               spent_after(min(f.spent), sum(t.cost), p_setting.lane_starts, p_setting.lane_per, p_moment)
          from taken t
          join free f on f.lane = t.lane
         where p_setting.lane_starts is not null
         group by t.lane
            on conflict (queue, lane) do update
           set spent = excluded.spent
    )
    select coalesce(array_agg(t.place), '{}'), coalesce(sum(t.cost), 0), (array_agg(t.lane order by t.n desc))[1],
           (
               select min(units_earned_at(
                          w.spent, w.total, p_setting.lane_starts, p_setting.lane_per, p_setting.lane_burst, p_moment
                      ))
                 from waiting w
                where w.total > w.free_units
           ),
           cardinality(locked) < cardinality(going) or exists (select from taken g group by g.lane having count(*) >= p_turn),
           (select min(f.total) from fitting f where f.nth <= p_room and f.total > p_units)
      into chosen, used, last, earned_at, is_more, blocked_by
      from taken t;
end $$;
