-- Wake the pools that serve these queues, once a queue; counts say how many entries each has that nobody was told of. Told is
-- the power of ten below, so that many small releases of one transaction are one notice: equal ones are folded.
create or replace function notify_queues(p_queues text[], p_counts integer[]) returns void
language plpgsql
as $$
begin
    perform pg_notify(channel(), 'queue ' || rpad('1', length(sum(a.n)::text), '0') || ' ' || a.queue)
       from unnest(p_queues, p_counts) as a(queue, n)
      group by a.queue
     having sum(a.n) > 0;
end $$;
