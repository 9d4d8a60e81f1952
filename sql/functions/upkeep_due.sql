-- Say which parts of upkeep have work, so that an idle pool makes one call in place of several.
--
-- deaths: a lease ran out, or a pool died a day ago (see mark_dead).
-- orphans: there are claimed entries, or attempts that have not ended, that no living pool runs
--   (see rescue).
-- next_in: seconds until the next entry is due (see stage); 0 if one is, null if none waits for a
--   time.
-- next_schedule: the same of the next schedule (see due_schedules).
-- waits_in: the same of the next step that end_waits ends.
-- ends_in: the same of the next deadline (see end_overdue).
-- debug_age: how many seconds old the oldest debug record is (see prune_debug); null for none.
-- Locks: nothing.
create or replace function upkeep_due(
    out deaths boolean, out orphans boolean, out next_in double precision, out next_schedule double precision,
    out waits_in double precision, out ends_in double precision, out debug_age double precision
)
language plpgsql stable security definer
as $$
begin
    deaths := exists (
        select
          from pools p
         where p.dead_at < clock_timestamp() - interval '1 day'
            or (p.dead_at is null and p.expires_at < clock_timestamp())
    );
    orphans := exists (select from orphaned_entries(1))
            or exists (
                   select
                     from unended_attempts a
                    where not exists (select from pools p where p.id = a.pool and p.dead_at is null)
               );
    next_in := next_due_in('{}');
    next_schedule := next_schedule_in();
    ends_in := next_deadline_in('{}');
    waits_in := next_wait_in('{}');
    select extract(epoch from clock_timestamp() - r.recorded_at)::double precision
      into debug_age
      from debug_records r
     order by r.recorded_at
     limit 1;
end $$;
