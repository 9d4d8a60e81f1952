-- Seconds until the next wait ends, at most a day; 0 if one is ripe, null if none has come and none
-- has a time.
--
-- p_passed_over: keys of workflows that are left out.
create or replace function next_wait_in(p_passed_over bigint[]) returns double precision
language sql stable
as $$
    select case
               when exists (select from signals g where g.is_new and g.workflow <> all(p_passed_over))
                    or exists (select from messages m where m.seen_at is null and m.workflow <> all(p_passed_over))
                    or exists (select from awaited_runs a where a.is_new and workflow_of(a.step_id) <> all(p_passed_over)) then
                   0
               else (
                   select case
                              when q.ends_at <= clock_timestamp() then 0
                              else extract(epoch from least(q.ends_at, clock_timestamp() + interval '1 day') - clock_timestamp())
                          end
                     from queue q
                    where q.ends_at is not null
                      and workflow_of(q.step_id) <> all(p_passed_over)
                    order by q.ends_at
                    limit 1
               )
           end
$$;
