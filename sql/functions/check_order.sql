-- Refuse steps that wait for each other, a group for its children being one that waits.
--
-- Each step is taken once all that it waits for is taken (Kahn's algorithm). The edges lie in one
-- array, those of a step side by side.
create or replace function check_order(p_steps given_step[]) returns void
language plpgsql
as $$
declare
    waits   integer[];
    starts  integer[];
    edges   integer[];
    ready   integer[];
    current integer;
    waiting integer;
    taken   integer := 0;
    members text;
begin
    -- Most workflows are written in an order in which they could run.
    if not exists (
        select from unnest(p_steps) as s where s.kind = 'workflow' or s.dependencies[cardinality(s.dependencies)] >= s.ordinal
    ) then
        return;
    end if;
    with edge as materialized (
        select s.place - s.ordinal + o.ordinal as first, s.place as second
          from unnest(p_steps) as s
         cross join lateral unnest(s.dependencies) as o(ordinal)
         where s.kind is distinct from 'workflow'
         union all
        select s.place, s.place - s.ordinal + s.parent
          from unnest(p_steps) as s
         where s.parent is not null
    ), ending as (
        select e.second as place, count(*)::integer as n from edge e group by e.second
    ), beginning as (
        select e.first as place, count(*)::integer as n, array_agg(e.second) as seconds from edge e group by e.first
    ), counted as (
        select s.place, coalesce(i.n, 0) as n, coalesce(sum(o.n) over (order by s.place), 0)::integer as upto
          from unnest(p_steps) as s
          left join ending i on i.place = s.place
          left join beginning o on o.place = s.place
    )
    select array_agg(c.n order by c.place),
           array[0] || array_agg(c.upto order by c.place),
           (select array_agg(e.second order by e.first) from edge e),
           coalesce(array_agg(c.place order by c.place) filter (where c.n = 0), '{}')
      into waits, starts, edges, ready
      from counted c;
    while taken < cardinality(ready) loop
        taken := taken + 1;
        current := ready[taken];
        for n in starts[current] + 1 .. starts[current + 1] loop
            waiting := edges[n];
            waits[waiting] := waits[waiting] - 1;
            if waits[waiting] = 0 then
                ready := ready || waiting;
            end if;
        end loop;
    end loop;
    if taken < cardinality(waits) then
        select string_agg(quote_literal(left(w.name, 100)), ', ' order by w.place)
          into members
          from (
              select s.name, s.place from unnest(p_steps) as s where waits[s.place] > 0 order by s.place limit 5
          ) as w;
        perform refuse(format('steps wait for each other, in a cycle or behind one: %s', members));
    end if;
end $$;
