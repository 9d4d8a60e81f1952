-- Whether user code may have run for a step; of a group, for any step below it.
create or replace function has_begun(p_step steps) returns boolean
language sql stable
as $$
    select p_step.began
        or (p_step.first_child is not null
            and exists (select from steps s where s.id = any(with_descendants(array[p_step.id])) and s.began))
$$;
