-- Ask for a notification when a workflow, or one of its steps, becomes final, and read its state.
--
-- To be called after LISTEN. The state is read after the request is written, so nothing is missed:
-- what becomes final later is announced.
-- p_step: the name of the step; null for the workflow.
-- key: null if there is no such workflow. step_id: null without p_step, or if there is no such
--   step.
-- state: of the step if one was asked for, else of the workflow.
-- Locks: the workflow.
create or replace function watch(
    p_workflow_id text, p_step text,
    out key bigint, out step_id bigint, out state text
)
language plpgsql security definer
as $$
#variable_conflict use_column
begin
    if p_step is null then
        update workflows w
           set watched = true
         where w.id = p_workflow_id
           and w.finished_at is null
           and not w.watched;
        select w.key, w.state into key, state from workflows w where w.id = p_workflow_id;
        return;
    end if;

    perform 1 from workflows w where w.id = p_workflow_id for no key update;
    select w.key into key from workflows w where w.id = p_workflow_id;
    update steps s
       set watched = true
     where s.id >= step_of(key, 0) and s.id < step_of(key + 1, 0)
       and s.name = p_step
       and s.finished_at is null
       and not s.watched;
    select s.id, s.state into step_id, state
      from steps s
     where s.id >= step_of(key, 0) and s.id < step_of(key + 1, 0)
       and s.name = p_step;
end $$;
