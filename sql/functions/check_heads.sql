-- Refuse workflows whose own columns are not valid; see check_workflows.
create or replace function check_heads(
    p_ids text[], p_workflow_names text[], p_fingerprints text[], p_meta text[], p_scopes text[],
    p_totals integer[], p_returns integer[]
) returns void
language plpgsql
as $$
declare
    count bigint := cardinality(p_ids);
    most  record;
    fault text;
begin
    select l.steps, l.argument_bytes into strict most from insert_limits l;
    if (count > 0
        and cardinality(p_fingerprints) = count
        and cardinality(p_totals) = count
        and cardinality(p_workflow_names) in (0, count)
        and cardinality(p_meta) in (0, count)
        and cardinality(p_scopes) in (0, count)
        and cardinality(p_returns) in (0, count)) is not true then
        perform refuse('the columns of the workflows are not of one length, at least 1');
    end if;
    select min(format('workflow ''%s'' ', left(h.id, 200)) || case
               when name_fault(h.id, false) is not null then 'has an id that ' || name_fault(h.id, false)
               when h.name is not null and name_fault(h.name, false) is not null then
                   'has a name that ' || name_fault(h.name, false)
               when (length(h.fingerprint) between 1 and 200) is not true then 'has no fingerprint of 1 to 200 characters'
               when (h.total between 1 and most.steps) is not true then
                   format('has %s steps, and the limit is %s', coalesce(h.total, 0), most.steps)
               when h.returns not between 0 and h.total - 1 then 'returns a step that it does not have'
               when octet_length(h.meta) > most.argument_bytes then
                   format('has meta of %s bytes as JSON, and the limit is %s', octet_length(h.meta), most.argument_bytes)
               when scope_fault(h.scope::json, true) is not null then 'has ' || scope_fault(h.scope::json, true)
           end)
      into fault
      from unnest(p_ids, p_workflow_names, p_fingerprints, p_meta, p_scopes, p_totals, p_returns)
           as h(id, name, fingerprint, meta, scope, total, returns);
    perform refuse(fault);
    if count > 1 and count <> (select count(distinct i.id) from unnest(p_ids) as i(id)) then
        perform refuse('two workflows have the same id');
    end if;
    if exists (
        select from unnest(p_scopes) as u(scope) where u.scope is not null group by u.scope::json #>> '{key,key}'
        having count(u.scope::json #>> '{key,key}') > 1
    ) then
        perform refuse('two workflows have the same key; insert them one after the other');
    end if;
end $$;
