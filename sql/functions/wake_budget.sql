-- Let steps try again that wait for room in a budget: all of them if it was raised. What an attempt
-- has spent makes room only for those that wait for its reservation, and not for many.
--
-- A step whose put-back is not settled yet finds its row gone when it is: see begin_budget_waits.
-- Locks: entries, without waiting for any; the caller holds the lock of the budget.
create or replace function wake_budget(p_name text, p_is_raised boolean) returns void
language plpgsql
as $$
declare
    woken bigint[];
begin
    woken := array(
        select w.step_id
          from budget_waits w
         where w.name = p_name
           and (p_is_raised or w.is_held)
         order by w.since, w.step_id
         limit case when not p_is_raised then 20 end
    );
    if cardinality(woken) > 0 then
        delete from budget_waits w where w.name = p_name and w.step_id = any(woken);
        perform stage_entries(
            array(
                select q.step_id
                  from queue q
                 where q.step_id = any(woken)
                   and q.state = 'scheduled'
                   for no key update skip locked
            )
        );
    end if;
end $$;
