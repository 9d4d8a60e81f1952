-- Whether these are ordinals of steps of a workflow of this size: ascending, distinct, in an
-- ordinary array.
create or replace function are_ordinals(p_ordinals integer[], p_total integer) returns boolean
language plpgsql immutable strict parallel safe
as $$
declare
    last    integer := -1;
    ordinal integer;
begin
    if p_ordinals = '{}' then
        return true;
    end if;
    if (array_ndims(p_ordinals) = 1 and array_lower(p_ordinals, 1) = 1) is not true then
        return false;
    end if;
    foreach ordinal in array p_ordinals loop
        if (ordinal > last and ordinal < p_total) is not true then
            return false;
        end if;
        last := ordinal;
    end loop;
    return true;
end $$;
