-- Evaluate the conditions of those of these steps that have one; nothing is pending for them any more. Returns those that this ended.
-- queued -> skipped where the condition does not hold, discarded where it cannot be evaluated. The caller holds the lock of the workflow.
create or replace function apply_conditions(p_ids bigint[], p_moment timestamptz) returns bigint[]
language plpgsql
as $$
declare
    ended bigint[];
begin
    with decided as materialized (
        select s.id, c.holds, c.why
          from steps s
         cross join lateral condition_holds(s.id, s.condition) as c
         where s.id = any(p_ids)
           and s.condition is not null
    ), updated as (
        update steps s
           set state = case when d.holds is null then 'discarded' else 'skipped' end,
               reason = left('its condition ' || case when d.holds is null then 'cannot be evaluated: ' else 'does not hold: ' end || d.why, 2000),
               finished_at = p_moment
          from decided d
         where s.id = any(array[d.id])
           and d.holds is not true
     returning s.id
    )
    select coalesce(array_agg(u.id), '{}') into ended from updated u;
    return ended;
end $$;
