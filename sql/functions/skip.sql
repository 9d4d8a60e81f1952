-- Skip a step: it ends without running and fails nothing, and its dependents are skipped unless they
-- ignore that.
--
-- If it is discarded or cancelled, what was cancelled downstream of it is opened, and skipped or
-- run. Parameters and answer are those of complete.
-- Locks: as end_without_running.
create or replace function skip(
    p_workflow_id text, p_name text, p_reason text default null, p_actor text default null,
    p_request uuid default null, p_forward boolean default false,
    out changed integer, out refusal text, out facts text[]
)
language plpgsql security definer
as $$
begin
    select e.changed, e.refusal, e.facts
      into changed, refusal, facts
      from end_without_running(
               p_workflow_id, p_name, 'skipped', null, left(p_reason, 2000), p_actor, p_request, p_forward
           ) as e;
end $$;
