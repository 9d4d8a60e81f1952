-- Mark the pools whose lease ran out, and forget those that died long ago. A row that is locked is beating, and is left alone.
create or replace function mark_dead() returns integer
language plpgsql
as $$
declare
    expired   bigint[] := array(
        select p.id
          from pools p
         where p.dead_at is null
           and p.expires_at < clock_timestamp()
         order by p.id
           for update skip locked
    );
    forgotten bigint[];
begin
    update pools p
       set dead_at = clock_timestamp(),
           tokens = '{}'
     where p.id = any(expired);
    -- An entry of a pool that is not in the table is rescued like one of a dead pool, so forgetting is safe.
    -- Two sweeps forget at the same time: the second must not wait for the first, which may wait for a workflow.
    forgotten := array(
        select p.id
          from pools p
         where p.dead_at < clock_timestamp() - interval '1 day'
           for update skip locked
    );
    delete from pools p where p.id = any(forgotten);
    return cardinality(expired);
end $$;
