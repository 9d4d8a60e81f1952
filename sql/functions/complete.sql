-- Complete a step with this result, without running it.
--
-- It may wait for anything, and then it waits no more. If it is discarded, cancelled or skipped,
-- what was cancelled or skipped downstream of it is opened.
-- p_result: JSON text. p_reason: kept with the step. p_actor: who completes it. The call is noted as
--   an intervention.
-- p_request: drawn by the caller for this call. A repeated call changes nothing and returns the
--   same.
-- p_forward: what was undone stays so; otherwise it runs again.
-- changed, refusal, facts: see end_without_running.
-- Locks: as end_without_running.
create or replace function complete(
    p_workflow_id text, p_name text, p_result text, p_reason text default null, p_actor text default null,
    p_request uuid default null, p_forward boolean default false,
    out changed integer, out refusal text, out facts text[]
)
language plpgsql security definer
as $$
begin
    if p_result is null then
        raise exception 'a step completes with a value, as JSON text'
              using errcode = 'null_value_not_allowed', hint = 'For none, give the text null.';
    end if;
    select e.changed, e.refusal, e.facts
      into changed, refusal, facts
      from end_without_running(
               p_workflow_id, p_name, 'completed', p_result, left(p_reason, 2000), p_actor, p_request, p_forward
           ) as e;
end $$;
