-- Make available what is due, up to p_limit entries, and wake its queues. Those that others hold are passed over.
-- scheduled, retryable -> available, at the position of the time they were due.
create or replace function stage(p_limit integer) returns integer
language plpgsql
as $$
declare
    due    bigint[] := array(
        select q.step_id
          from queue q
         where q.state in ('scheduled', 'retryable')
           and q.scheduled_at <= clock_timestamp()
         order by q.scheduled_at
         limit p_limit
           for no key update skip locked
    );
    queues text[];
    counts integer[];
begin
    with staged as (
        update queue q
           set state = 'available'
         where q.step_id = any(due)
     returning q.queue
    )
    select array_agg(s.queue), array_agg(s.n)
      into queues, counts
      from (select e.queue, count(*)::integer as n from staged e group by e.queue) as s;
    perform notify_queues(queues, counts);
    return cardinality(due);
end $$;
