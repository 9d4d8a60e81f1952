-- Whether user code may have run for a step; of a group, for any step below it; of a gate, for any
-- step of the group that it stands for.
create or replace function has_begun(p_step steps) returns boolean
language sql stable
as $$
    select p_step.began
        or ((p_step.first_child is not null or p_step.role = 'gate' and p_step.parent is not null)
            and exists (
                    select
                      from steps s
                     where s.id = any(with_descendants(array[
                               case when p_step.role = 'gate' then sibling_of(p_step.id, p_step.parent) else p_step.id end
                           ]))
                       and s.began
                       -- What a group cleans up with does not use what it depends on.
                       and (p_step.role is distinct from 'gate' or not s.is_closing)
                ))
$$;
