-- Wake the pools that serve these queues, once a queue; counts say how many entries each has that nobody was told of.
create or replace function announce(p_queues text[], p_counts integer[]) returns void
language plpgsql
set search_path from current
as $$
begin
    perform pg_notify(channel(), 'queue ' || a.queue)
       from unnest(p_queues, p_counts) as a(queue, n)
      group by a.queue
     having sum(a.n) > 0;
end $$;
