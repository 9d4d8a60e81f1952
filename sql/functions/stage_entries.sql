-- Make these entries available, which the caller has locked, and wake the pools that serve their queues (see stage).
create or replace function stage_entries(p_ids bigint[]) returns void
language plpgsql
as $$
declare
    queues text[];
    counts integer[];
begin
    with staged as (
        update queue q
           set state = 'available'
         where q.step_id = any(p_ids)
     returning q.queue
    )
    select array_agg(s.queue), array_agg(s.n)
      into queues, counts
      from (select e.queue, count(*)::integer as n from staged e group by e.queue) as s;
    perform notify_queues(queues, counts);
end $$;
