-- What is wrong with what bounds a workflow or group as a whole (see insert_workflow); null for
-- nothing. p_is_run: of a workflow, which may have a key and tags.
create or replace function scope_fault(p_scope json, p_is_run boolean default false) returns text
language plpgsql
as $$
begin
    if p_scope is null then
        return null;
    elsif json_typeof(p_scope) <> 'object' then
        return 'a scope that is not a JSON object';
    end if;
    perform check_keys(p_scope, array['fails_fast', 'deadline', 'models', 'budgets'] || case when p_is_run then array['key', 'tags', 'reusing'] else '{}' end, 'a scope');
    if p_scope -> 'fails_fast' is not null and json_typeof(p_scope -> 'fails_fast') <> 'boolean' then
        return 'a scope whose fails_fast is neither true nor false';
    elsif p_scope -> 'deadline' is not null
          and ((p_scope ->> 'deadline')::double precision > 0 and (p_scope ->> 'deadline')::double precision <= 3162240000) is not true then
        return 'a deadline that is not more than 0 seconds, and at most a hundred years';
    elsif p_is_run and p_scope -> 'reusing' is not null
          and (json_typeof(p_scope -> 'reusing') = 'string' and name_fault(p_scope ->> 'reusing', false) is null) is not true then
        return 'a workflow to reuse whose id is not a string of 1 to 200 characters';
    end if;
    return coalesce(
        models_fault(p_scope -> 'models'), budgets_fault(p_scope -> 'budgets'),
        case when p_is_run then label_fault(p_scope -> 'key', p_scope -> 'tags') end
    );
end $$;
