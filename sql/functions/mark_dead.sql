-- Mark the pools whose lease ran out as dead, and forget those that died a day ago.
--
-- A pool whose row is locked is sending its heartbeat, and is left alone. Pools are marked one by
-- one: a pool whose row cannot be changed is passed over.
-- died: how many were marked.
-- passed_over, errors: parallel; the pools that were passed over, in words, and why.
-- Locks: pools, without waiting for any.
create or replace function mark_dead(out died integer, out passed_over text[], out errors text[])
language plpgsql security definer
as $$
declare
    pool      record;
    forgotten bigint[];
begin
    perform require_read_committed();
    died := 0;
    for pool in
        select p.id, p.name
          from pools p
         where p.dead_at is null
           and p.expires_at < clock_timestamp()
         order by p.id
           for update skip locked
    loop
        begin
            update pools p
               set dead_at = clock_timestamp(),
                   tokens = '{}'
             where p.id = pool.id;
            died := died + 1;
        exception
            when insufficient_resources or operator_intervention or system_error or transaction_rollback then
                raise;
            when others then
                passed_over := passed_over || format('worker pool %s (%s)', pool.id, pool.name);
                errors := errors || format('%s (%s)', sqlerrm, sqlstate);
        end;
    end loop;
    -- Entries of a pool that is not in the table are rescued like those of a dead pool, so
    -- forgetting is safe. Locked rows are skipped: another sweep may be forgetting them, and it may
    -- be waiting for something else.
    forgotten := array(
        select p.id
          from pools p
         where p.dead_at < clock_timestamp() - interval '1 day'
           for update skip locked
    );
    delete from pools p where p.id = any(forgotten);
end $$;
