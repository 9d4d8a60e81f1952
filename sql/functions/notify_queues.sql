-- Wake the pools that serve these queues, once for each queue.
--
-- p_queues, p_counts: parallel, a queue may occur several times; how many entries each has that no
--   notification announced. The notification says the power of ten below the sum: many small
--   releases of one transaction become one notification, because PostgreSQL folds equal ones.
create or replace function notify_queues(p_queues text[], p_counts integer[]) returns void
language plpgsql
as $$
begin
    perform pg_notify(channel(), 'queue ' || rpad('1', length(sum(a.n)::text), '0') || ' ' || a.queue)
       from unnest(p_queues, p_counts) as a(queue, n)
      group by a.queue
     having sum(a.n) > 0;
end $$;
