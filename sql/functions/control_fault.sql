-- What is wrong with what decides about a step besides its dependencies (see write_steps); null for
-- nothing.
create or replace function control_fault(p_extras json, p_kind text, p_role text, p_dependencies integer) returns text
language plpgsql
as $$
declare
    bits    integer[];
    counted integer;
begin
    if p_kind = 'workflow' then
        return (
            select min(format('a group has no ''%s'' itself', k.key))
              from json_object_keys(p_extras) as k(key)
             where k.key in ('edges', 'when', 'needs', 'cancels_rest', 'undo', 'undo_inputs')
        );
    end if;
    if p_extras -> 'edges' is not null then
        if json_typeof(p_extras -> 'edges') <> 'array' then
            return 'its edges are not a list';
        end if;
        bits := array(select e.bits::integer from json_array_elements_text(p_extras -> 'edges') as e(bits));
        if cardinality(bits) <> p_dependencies then
            return format('it has %s edges and %s dependencies', cardinality(bits), p_dependencies);
        elsif exists (select from unnest(bits) as e(bits) where (e.bits between 0 and 7 or e.bits = 15) is not true) then
            return 'an edge has bits other than 0 to 7, or 15';
        end if;
    end if;
    if p_role in ('always', 'on failure', 'end') then
        if p_extras ->> 'needs' is not null or p_extras ->> 'undo' is not null or p_role = 'end' and p_extras ->> 'when' is not null then
            return 'a closing step has neither needs nor an undo';
        elsif bits is null or exists (select from unnest(bits) as e(bits) where e.bits <> 15) then
            return 'a closing step observes all of its dependencies, and one of its edges does not';
        end if;
    end if;
    if p_extras -> 'needs' is not null then
        counted := (select count(*) from unnest(bits) as e(bits) where e.bits & 8 = 0);
        if bits is null or ((p_extras ->> 'needs')::integer between 1 and counted) is not true then
            return format('it needs %s of its dependencies, and %s count', p_extras ->> 'needs', coalesce(counted, 0));
        end if;
    elsif (p_extras ->> 'cancels_rest')::boolean then
        return 'it cancels the dependencies that it does not need, and does not say how many it needs';
    end if;
    if p_extras -> 'when' is not null then
        return condition_fault(p_extras -> 'when');
    end if;
    return null;
end $$;
