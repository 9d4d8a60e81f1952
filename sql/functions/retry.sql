-- Open a workflow again: every discarded and cancelled step, or the named ones.
--
-- With p_names these steps are opened whatever their final state, with what was cancelled or
-- skipped downstream of them (see steps_to_open). Attempts begin again at 0; earlier errors are
-- kept. What a completed step kept for its next attempt is forgotten; a failed one goes on from it.
-- What opening a step means for others: see reopen.
--
-- p_request: drawn by the caller for this call. A repeated call changes nothing and returns the
--   same.
-- p_forward: what was undone stays so.
-- p_downstream: everything downstream of what is opened runs again too, however it ended, and what
--   waits for its next attempt begins anew.
-- p_actor, p_reason: who retries, and why; noted as an intervention.
-- opened: how many steps; null if there is no such workflow.
-- unknown: names that are not steps of it. refused: names of steps that are not final, or with
--   p_downstream, that execute. key_holder: the id of another run that holds its key, run_key. With
--   any of them nothing is changed.
-- Locks: its key, the workflow, then the signals of named steps, then all entries of the closure by step,
-- before any record is written.
create or replace function retry(
    p_workflow_id text, p_names text[], p_request uuid default null, p_forward boolean default false,
    p_downstream boolean default false, p_actor text default null, p_reason text default null,
    out opened integer, out unknown text[], out refused text[], out key_holder text, out run_key text
)
language plpgsql security definer
as $$
declare
    holder   bigint;
    flow     record;
    undone   bigint[] := '{}';
    opening  bigint[];
    again    bigint[];
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
        opened := flow.touched;
        unknown := '{}';
        refused := '{}';
        return;
    end if;
    opened := 0;
    key_holder := other_holder(holder, flow.key);
    if key_holder is not null then
        run_key := flow.run_key;
        unknown := '{}';
        refused := '{}';
        return;
    end if;

    if flow.has_closing then
        select r.refused, r.undone into refused, undone from undos_before_retry(flow.key, p_names, p_forward) as r;
        if cardinality(refused) > 0 then
            return;
        end if;
    end if;
    if p_downstream then
        perform lock_downstream(flow.key, p_names);
    end if;
    select c.opening, c.again, c.unknown, c.refused
      into opening, again, unknown, refused
      from steps_to_open(flow.key, p_names, undone, p_downstream) as c;
    if cardinality(opening) = 0 or cardinality(unknown) > 0 or cardinality(refused) > 0 then
        return;
    end if;
    opened := (select count(*) from steps s where s.id = any(opening) and (s.role is null or s.role not in ('gate', 'end')));
    update workflows w set request = p_request, touched = opened where w.key = flow.key;
    perform reopen(flow.key, opening, again, p_names, clock_timestamp());
    perform note_intervention(
        flow.key, 'retry', p_actor, p_names, opened, p_reason,
        case
            when p_forward or p_downstream then
                json_strip_nulls(json_build_object('forward', nullif(p_forward, false), 'downstream', nullif(p_downstream, false)))
        end
    );
end $$;
