-- Whether an attempt may still run of what a closing step or an undo cleans up.
--
-- That is, of an undo, the step that it takes back; of a closing step, what it waits for, or all
-- steps of its scope if it waits for the end of that.
create or replace function has_unended_attempts(p_step bigint) returns boolean
language plpgsql stable
as $$
declare
    step  record;
    scope bigint[];
    whole record;
begin
    if not exists (
        select
          from unended_attempts u
         where u.step_id >= step_of(workflow_of(p_step), 0) and u.step_id < step_of(workflow_of(p_step) + 1, 0)
    ) then
        return false;
    end if;
    select s.undoes, s.dependencies into step from steps s where s.id = p_step;
    if step.undoes is not null then
        scope := array[sibling_of(p_step, step.undoes)];
    else
        scope := array(select sibling_of(p_step, o.ordinal) from unnest(step.dependencies) as o(ordinal));
        select d.parent into whole from steps d where d.id = any(scope) and d.role = 'end';
        if found then
            if whole.parent is null then
                return true;
            end if;
            scope := scope || sibling_of(p_step, whole.parent);
        end if;
    end if;
    return exists (select from unended_attempts u where u.step_id = any(with_descendants(scope)));
end $$;
