-- End a step without running it, as somebody decided: see complete and skip.
--
-- One that is not final ends like any step that ends. One that is discarded, cancelled or skipped is
-- opened, with what was cancelled or skipped downstream of it, and ends at once.
-- changed: how many steps ended or were opened by this call; null if there is no such workflow.
-- refusal, facts: why nothing is changed: step (there is none of this name), group, executing, ended
--   (facts has its state), signal (one has come, and the step completes with that), round (it
--   belongs to an earlier round), anew (facts names what it is a part of, which was undone and begins
--   anew), undos (facts names those that keep it from being opened), key (facts has the id of
--   another run that holds its key, and the key).
-- Locks: the key; the workflow; then the signal of the step, which waits for a sender; then the
--   entries by step.
create or replace function end_without_running(
    p_workflow_id text, p_name text, p_state text, p_result text, p_reason text, p_actor text, p_request uuid,
    p_forward boolean,
    out changed integer, out refusal text, out facts text[]
)
language plpgsql
as $$
declare
    holder  bigint;
    flow    record;
    step    record;
    entry   record;
    undone  bigint[] := '{}';
    opened  record;
    moment  timestamptz;
    applied record;
begin
    perform require_read_committed();
    holder := lock_key_of(p_workflow_id);
    select w.key, w.request, w.touched, w.has_closing, w.run_key
      into flow
      from workflows w
     where w.id = p_workflow_id
       for no key update;
    if not found then
        return;
    end if;
    if flow.request = p_request then
        changed := flow.touched;
        return;
    end if;
    changed := 0;
    select s.id, s.state, s.finished_at, s.first_child, s.grouping, s.awaits
      into step
      from steps s
     where s.id >= step_of(flow.key, 0) and s.id < step_of(flow.key + 1, 0)
       and s.name = p_name
       and (s.role is null or s.role not in ('gate', 'end'));
    if not found then
        refusal := 'step';
        return;
    elsif step.first_child is not null or step.grouping is not null and p_state = 'completed' then
        refusal := 'group';
        return;
    elsif is_in_past_round(step.id) then
        refusal := 'round';
        return;
    elsif step.state in ('completed', p_state) then
        refusal := 'ended';
        facts := array[step.state];
        return;
    end if;
    if step.awaits ->> 'type' = 'signal' and step.finished_at is null then
        -- The sender was promised that the step completes with its signal.
        perform 1 from signals g where g.workflow = flow.key and g.name = p_name for update;
        if exists (select from signals g where g.workflow = flow.key and g.name = p_name and g.sent_at is not null) then
            refusal := 'signal';
            return;
        end if;
    end if;

    if step.finished_at is null then
        select q.state into entry from queue q where q.step_id = step.id for update;
        if entry.state = 'executing' then
            refusal := 'executing';
            return;
        end if;
        perform end_entries(array[step.id]);
        moment := clock_timestamp();
        update workflows w set request = p_request, touched = 1 where w.key = flow.key;
        perform give_end(step.id, p_state, p_result::json, p_reason, moment);
        applied := apply_consequences(array[step.id], moment, false);
        perform notify_queues(applied.queues, applied.counts);
        changed := 1;
    else
        if other_holder(holder, flow.key) is not null then
            refusal := 'key';
            facts := array[other_holder(holder, flow.key), flow.run_key];
            return;
        end if;
        if flow.has_closing then
            select r.refused, r.undone into facts, undone from undos_before_retry(flow.key, array[p_name], p_forward) as r;
            if cardinality(facts) > 0 then
                refusal := 'undos';
                return;
            end if;
        end if;
        opened := steps_to_open(flow.key, array[p_name], undone, false);
        if step.id <> all(opened.opening) then
            refusal := 'anew';
            facts := array(select s.name from steps s where s.id = any(opened.again) and is_below(step.id, array[s.id]));
            return;
        end if;
        changed := (
            select count(*) from steps s where s.id = any(opened.opening) and (s.role is null or s.role not in ('gate', 'end'))
        );
        update workflows w set request = p_request, touched = changed where w.key = flow.key;
        perform reopen(
            flow.key, opened.opening, opened.again, null, clock_timestamp(), step.id, p_state, p_result::json, p_reason
        );
    end if;
    perform note_intervention(
        flow.key, case p_state when 'completed' then 'complete' else 'skip' end, p_actor, array[p_name], changed, p_reason,
        case when p_forward then '{"forward": true}'::json end
    );
end $$;
