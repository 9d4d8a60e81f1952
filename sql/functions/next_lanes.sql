-- The lanes of a queue with available entries of this priority that follow a lane in the order of
-- their names; at most p_most. Null for none.
create or replace function next_lanes(p_queue text, p_priority smallint, p_after text, p_most integer) returns text[]
language sql stable
as $$
    with recursive walk(lane, n) as (
        (
            select q.lane, 1
              from queue q
             where q.state = 'available' and q.lane is not null
               and q.queue = p_queue and q.priority = p_priority and q.lane > p_after
             order by q.lane
             limit 1
        )
        union all
        select f.lane, w.n + 1
          from walk w
         cross join lateral (
             select q.lane
               from queue q
              where q.state = 'available' and q.lane is not null
                and q.queue = p_queue and q.priority = p_priority and q.lane > w.lane
              order by q.lane
              limit 1
         ) as f
         where w.n < p_most
    )
    select array_agg(w.lane order by w.n) from walk w
$$;
