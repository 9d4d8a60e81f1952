-- Why a closing step does not run although nothing is pending for it. Null if it runs, and for an
-- undo. For a closing group it is asked of the gate in front of that.
create or replace function nothing_to_clean_up(p_step bigint) returns text
language plpgsql stable
as $$
declare
    step  record;
    fault boolean;
begin
    select case when s.role = 'gate' then g.role else s.role end as role,
           case when s.role = 'gate' then g.parent else s.parent end as parent,
           s.dependencies
      into step
      from steps s
      left join steps g on g.id = any(array[sibling_of(s.id, s.parent)])
     where s.id = p_step;
    if step.role is null or step.role = 'undo' then
        return null;
    end if;
    if step.parent is not null and not exists (
        select
          from steps s
         where s.id = any(with_descendants(array[sibling_of(p_step, step.parent)]))
           and not s.is_closing
           -- The record of a step learns of its first attempt when that is settled.
           and (
                   s.began
                   or exists (
                          select from queue q where q.step_id = any(array[s.id]) and q.state = 'executing' and not q.is_join
                      )
               )
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
