-- Bound a group as a whole that a returned graph has just made of a step: whether it fails fast,
-- and its deadline, which begins now. If the step has a deadline of its own, the earlier one holds.
-- The caller holds the lock of the workflow.
--
-- p_scope: fails_fast, deadline in seconds, models.
create or replace function bound_group(p_step bigint, p_scope json, p_moment timestamptz) returns void
language plpgsql
as $$
declare
    due timestamptz;
begin
    if p_scope -> 'models' is not null or p_scope -> 'budgets' is not null then
        perform name_models(
            array[workflow_of(p_step)], array[p_scope::text], (select s.name from steps s where s.id = any(array[p_step]))
        );
    end if;
    update steps g
       set fails_fast = (p_scope ->> 'fails_fast')::boolean,
           deadline = least(g.deadline, (p_scope ->> 'deadline')::double precision)
     where g.id = p_step;
    if p_scope ->> 'fails_fast' is not null then
        update workflows w set may_fail_fast = true where w.key = workflow_of(p_step) and not w.may_fail_fast;
    end if;
    if p_scope ->> 'deadline' is not null then
        due := p_moment + interval '1 second' * (p_scope ->> 'deadline')::double precision;
        insert into deadlines as d (step_id, due_at, kind)
        values (p_step, due, 'end')
            on conflict (step_id, kind) do update set due_at = least(d.due_at, excluded.due_at);
        perform notify_overdue(due, p_moment);
    end if;
end $$;
