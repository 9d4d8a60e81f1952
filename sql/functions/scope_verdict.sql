-- How the ordinary steps of a scope ended, as its `end` step sees it: completed, failed or
-- cancelled. The scope is the workflow, or the group that the `end` step is in.
create or replace function scope_verdict(p_end bigint) returns text
language plpgsql stable
as $$
declare
    scope   record;
    outcome text;
begin
    select s.parent, w.ending as whole, g.id as group_id, g.ending as part
      into scope
      from steps s
      join workflows w on w.key = workflow_of(s.id)
      left join steps g on g.id = sibling_of(s.id, s.parent)
     where s.id = p_end;
    if scope.parent is null then
        return coalesce(scope.whole ->> 'state', case when count_failures(workflow_of(p_end)) > 0 then 'failed' else 'completed' end);
    end if;
    outcome := coalesce(scope.part ->> 'state', (select o.state from group_outcome(scope.group_id) as o));
    return case outcome when 'discarded' then 'failed' when 'skipped' then 'completed' else outcome end;
end $$;
