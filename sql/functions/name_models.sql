-- Note which language models the steps of new workflows ask, and what they may cost; or those of a
-- graph that has taken the place of a step.
--
-- p_keys, p_scopes: parallel; what bounds each workflow as a whole, as JSON, of which `models` and
--   `budgets` are read. A key that is null is passed over: that workflow existed already.
-- p_group: the name of the step whose place the graph took; empty for a whole workflow.
-- Locks: none; the caller holds the lock of the workflows or has just inserted them.
create or replace function name_models(p_keys bigint[], p_scopes text[], p_group text) returns void
language sql
as $$
    update workflows w
       set models = coalesce(w.models::jsonb, '{}')
                    || (
                        select jsonb_object_agg(
                                   case
                                       when p_group = '' then m.key
                                       else rtrim(regexp_replace(p_group, '\[[^\]]*\]', '', 'g') || '/' || m.key, '/')
                                   end,
                                   m.value
                               )
                          from jsonb_each(n.scope::jsonb -> 'models') as m
                       )
      from unnest(p_keys, p_scopes) as n(key, scope)
     where w.key = any(array[n.key])
       and n.scope::json -> 'models' is not null;

    update workflows w
       set budgets = coalesce(w.budgets::jsonb, '[]')
                     || (
                         select jsonb_agg(
                                    case
                                        when p_group = '' then b.value
                                        else b.value || jsonb_build_object(
                                                 'scope',
                                                 rtrim(regexp_replace(p_group, '\[[^\]]*\]', '', 'g') || '/' || (b.value ->> 'scope'), '/')
                                             )
                                    end
                                )
                           from jsonb_array_elements(n.scope::jsonb -> 'budgets') as b
                     )
      from unnest(p_keys, p_scopes) as n(key, scope)
     where w.key = any(array[n.key])
       and n.scope::json -> 'budgets' is not null;
$$;
