-- Evaluate a step's condition (see evaluate_condition). If PostgreSQL cannot read a result, that is
-- the reason and not an error.
create or replace function condition_holds(p_step bigint, p_condition json, out holds boolean, out why text)
language plpgsql stable
as $$
begin
    select e.holds, e.why into holds, why from evaluate_condition(p_step, p_condition) as e;
exception when data_exception or statement_too_complex then
    holds := null;
    why := sqlerrm;
end $$;
