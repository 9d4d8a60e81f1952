-- Delete debug records that are older than p_keep seconds, up to p_limit. Returns how many.
--
-- Locks: the records, without waiting for any.
create or replace function prune_debug(p_keep double precision, p_limit integer) returns integer
language plpgsql security definer
as $$
declare
    deleted integer;
begin
    with old as materialized (
        select r.step_id, r.token, r.number
          from debug_records r
         where r.recorded_at < clock_timestamp() - interval '1 second' * least(p_keep, 1e10)
         order by r.recorded_at
         limit p_limit
           for update skip locked
    ), gone as (
        delete from debug_records r
         using old o
         where r.step_id = any(array[o.step_id])
           and r.token = o.token
           and r.number = o.number
     returning 1
    )
    select count(*) into deleted from gone;
    return deleted;
end $$;
