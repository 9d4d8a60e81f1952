-- Wake the pools that serve these queues, whose limits a step counts no more in, if work waits.
--
-- p_queues, p_lanes: parallel, one element an entry. A lane is named, because a pool might look at
-- ten thousand full ones first.
create or replace function notify_freed(p_queues text[], p_lanes text[]) returns void
language plpgsql
as $$
begin
    if p_queues is null then
        return;
    end if;
    perform notify_queues(array_agg(f.queue), array_agg(f.n))
       from (
           select u.queue, count(*)::integer as n from unnest(p_queues) as u(queue) group by u.queue
       ) as f
      where exists (select from queue q where q.state = 'available' and q.lane is null and q.queue = f.queue)
         or exists (select from queue q where q.state = 'available' and q.lane is not null and q.queue = f.queue);
    perform pg_notify(channel(), format('lane %s %s %s', length(f.queue), f.queue, f.lane))
       from (select distinct u.queue, u.lane from unnest(p_queues, p_lanes) as u(queue, lane) where u.lane <> '' limit 32) as f
      where exists (
                select from queue q where q.state = 'available' and q.lane is not null and q.queue = f.queue
            );
end $$;
