-- Why a closing step does not run although nothing is pending for it. Null if it runs, and for an
-- undo.
create or replace function nothing_to_clean_up(p_step bigint) returns text
language plpgsql stable
as $$
declare
    step    record;
    fault   boolean;
begin
    select s.role, s.parent, s.dependencies, s.grouping into step from steps s where s.id = p_step;
    if step.role = 'undo' then
        return null;
    end if;
    if step.parent is not null and not exists (
        select
          from steps s
         where s.id = any(with_descendants(array[sibling_of(p_step, step.parent)]))
           and s.began
           and not s.is_closing
    ) then
        return 'nothing of its workflow had begun';
    end if;
    if step.role = 'on failure' then
        select coalesce(bool_or(
                   case
                       when d.role = 'end' then d.result #>> '{}' <> 'completed'
                       else d.state = 'discarded' or (d.state = 'cancelled' and not d.not_needed)
                   end
               ), false)
          into fault
          from unnest(step.dependencies) as o(ordinal)
          join steps d on d.id = any(array[sibling_of(p_step, o.ordinal)]);
        if not fault then
            return 'nothing that it waits for failed';
        end if;
    end if;
    return null;
end $$;
