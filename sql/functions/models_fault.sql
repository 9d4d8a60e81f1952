-- What is wrong with model maps (workflows.models); null for nothing.
create or replace function models_fault(p_models json) returns text
language plpgsql immutable
as $$
declare
    scope record;
begin
    if p_models is null then
        return null;
    elsif json_typeof(p_models) <> 'object' then
        return 'model maps that are not a JSON object';
    end if;
    for scope in
        select m.key, m.value from json_each(p_models) as m
    loop
        if json_typeof(scope.value) <> 'object' then
            return format('a model map for ''%s'' that is not a JSON object', left(scope.key, 200));
        elsif exists (
                  select
                    from json_each(scope.value) as o
                   where json_typeof(o.value) <> 'string'
                      or length(o.value #>> '{}') not between 1 and 200
              ) then
            return format('a model map for ''%s'' with a model that is not a text of 1 to 200 characters', left(scope.key, 200));
        end if;
    end loop;
    return null;
end $$;
