-- Whether all of these ordinals are among the others, both ascending and distinct. In one walk:
-- `<@` compares each with each.
create or replace function is_subset(p_some integer[], p_all integer[]) returns boolean
language plpgsql immutable strict parallel safe
as $$
declare
    wanted integer;
    place  integer := 1;
begin
    foreach wanted in array p_some loop
        while p_all[place] < wanted loop
            place := place + 1;
        end loop;
        if p_all[place] is distinct from wanted then
            return false;
        end if;
    end loop;
    return true;
end $$;
