-- Let these steps wait for room in a budget, which have just been put back; or try again at once if
-- there may be room since they asked.
--
-- Locks: the budgets that they wait for, in the order of their names: who raises one, or spends less
-- than was reserved, either sees the entries scheduled, or has removed the rows before this looks.
create or replace function begin_budget_waits(p_ids bigint[]) returns void
language plpgsql
as $$
declare
    asked record;
begin
    for asked in
        select distinct w.name, w.period from budget_waits w where w.step_id = any(p_ids) order by w.name, w.period
    loop
        perform 1 from budgets b where b.name = asked.name and b.period = asked.period for no key update;
    end loop;
    perform stage_entries(
        array(
            select q.step_id
              from queue q
             where q.step_id = any(p_ids)
               and q.state = 'scheduled'
               and not exists (select from budget_waits w where w.step_id = q.step_id)
               for no key update
        )
    );
end $$;
