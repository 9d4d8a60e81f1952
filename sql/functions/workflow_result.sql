-- The result of a workflow: of the step that it returns, or of its last ones, as group_result has
-- it of a group; null if it has none.
create or replace function workflow_result(p_key bigint) returns json
language plpgsql stable
as $$
declare
    returned integer;
    lasts    bigint[];
begin
    select w.returns into returned from workflows w where w.key = p_key;
    if returned is not null then
        return group_result(step_of(p_key, returned));
    end if;
    lasts := array(
        select s.id
          from steps s
         where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
           and s.parent is null
           and coalesce(s.is_last, s.dependents = '{}')
         order by s.id
    );
    if cardinality(lasts) = 1 then
        return group_result(lasts[1]);
    end if;
    return (
        select json_object_agg(r.name, r.result order by r.id)
          from (select s.id, s.name, group_result(s.id) as result from steps s where s.id = any(lasts) offset 0) as r
         where r.result is not null
    );
end $$;
