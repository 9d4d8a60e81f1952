-- Let the steps try again that wait for room in a budget.
--
-- Locks: their entries, without waiting for any.
create or replace function wake_budget(p_name text) returns void
language plpgsql
as $$
declare
    woken bigint[];
begin
    if not exists (select from budget_waits w where w.name = p_name) then
        return;
    end if;
    woken := array(
        select q.step_id
          from queue q
         where q.step_id = any(array(select w.step_id from budget_waits w where w.name = p_name))
           and q.state = 'scheduled'
           for no key update skip locked
    );
    delete from budget_waits w where w.name = p_name and w.step_id = any(woken);
    perform stage_entries(woken);
end $$;
