-- How the ordinary steps of a scope ended, as its `end` step sees it: completed, failed or
-- cancelled. The scope is the workflow, or the group that the `end` step is in.
-- What waits for the `end` step comes after it and is not counted, even if it was cancelled before.
create or replace function scope_verdict(p_end bigint) returns text
language plpgsql stable
as $$
declare
    scope   record;
    decided text;
    first   bigint;
    last    bigint;
begin
    select s.parent, s.dependents, w.ending as whole, g.ending as part, g.first_child, g.children
      into scope
      from steps s
      join workflows w on w.key = workflow_of(s.id)
      left join steps g on g.id = sibling_of(s.id, s.parent)
     where s.id = p_end;
    decided := case when scope.parent is null then scope.whole else scope.part end ->> 'state';
    if decided is not null then
        return case decided when 'discarded' then 'failed' else decided end;
    end if;
    first := case when scope.parent is null then step_of(workflow_of(p_end), 0) else sibling_of(p_end, scope.first_child) end;
    last := case
                when scope.parent is null then step_of(workflow_of(p_end) + 1, 0)
                else sibling_of(p_end, scope.first_child + scope.children)
            end;
    return (
        select case
                   when count(*) = 0 then 'completed'
                   when scope.parent is null or bool_or(c.state = 'discarded') then 'failed'
                   else 'cancelled'
               end
          from steps c
         where c.id >= first and c.id < last
           and c.parent is not distinct from scope.parent
           and c.state in ('discarded', 'cancelled')
           and not c.not_needed
           and ordinal_of(c.id) <> all(scope.dependents)
           and not failure_is_ignored(c)
    );
end $$;
