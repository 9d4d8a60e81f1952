-- Choose entries without a lane in their order, as many as p_room and p_units allow.
--
-- p_setting: of their queue. p_moment: when the chosen ones start.
-- chosen: where they are. used: their units. blocked_by: units up to and with the first one for
--   which p_units was too little. Those behind it wait as well: smaller ones could keep it from its
--   start for good.
-- Locks: entries, without waiting for any.
create or replace function choose_in_order(
    p_setting queue_settings, p_room integer, p_units bigint,
    out chosen tid[], out used bigint, out blocked_by bigint
)
language plpgsql
as $$
begin
    with waiting as materialized (
        select q.ctid as place, coalesce(q.units, 1) as cost,
               least(coalesce(q.units, 1), floor(p_setting.burst))::bigint as units
          from queue q
         where q.state = 'available' and q.lane is null and q.queue = p_setting.queue
         order by q.priority, q.position, q.step_id
         limit p_room
           for no key update skip locked
    ), summed as (
        select w.place, w.cost, sum(w.units) over (rows unbounded preceding) as total from waiting w
    )
    select coalesce(array_agg(s.place) filter (where s.total <= p_units), '{}'),
           coalesce(sum(s.cost) filter (where s.total <= p_units), 0),
           min(s.total) filter (where s.total > p_units)
      into chosen, used, blocked_by
      from summed s;
end $$;
