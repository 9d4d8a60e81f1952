-- Note what somebody changed: see the table interventions.
--
-- The role is the one that called, although the engine's functions run with the rights of the
-- schema's owner. Of many names the first hundred are kept.
-- Locks: none.
create or replace function note_intervention(
    p_workflow bigint, p_action text, p_actor text, p_steps text[] default null, p_changed integer default null,
    p_reason text default null, p_options json default null, p_subject text default null
) returns void
language sql
as $$
    insert into interventions (workflow, subject, role, actor, action, steps, changed, reason, options)
    values (
        p_workflow, p_subject, coalesce(nullif(current_setting('role', true), 'none'), session_user), left(p_actor, 200),
        p_action, p_steps[1:100], p_changed, left(p_reason, 2000), p_options
    )
$$;
