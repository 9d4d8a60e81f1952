-- Cancel a workflow, or some of its steps.
--
-- All ordinary steps end, whatever their flags. Without closing steps and undos the workflow is
-- final in this transaction. Otherwise `ending` keeps its state and reason, and it becomes final
-- with the last of them. Steps that end this way are final at once: their entries are gone, so the
-- tokens of running attempts are void, and their pools are notified.
-- p_names: only these steps, with everything below those that are groups; their dependents follow
--   the usual rules.
-- p_force: closing steps and undos are cancelled as well.
-- p_as_skipped: the named steps end as skipped, not as cancelled, and fail nothing.
-- p_actor: who cancels; noted as an intervention, with the reason.
-- p_reason: of more than 2,000 characters the first are kept.
-- p_request: drawn by the caller for this call. A repeated call changes nothing and returns the
--   same.
-- cancelled: how many steps this call cancelled; null if there is no such workflow.
-- unknown: names that are not steps of it; then nothing is cancelled.
-- Locks: the workflow, then its entries by step.
create or replace function cancel(
    p_workflow_id text, p_names text[], p_reason text, p_request uuid default null, p_force boolean default false,
    p_as_skipped boolean default false, p_actor text default null, out cancelled integer, out unknown text[]
)
language plpgsql security definer
as $$
declare
    verdict text := case when p_as_skipped then 'skipped' else 'cancelled' end;
    flow    record;
    moment  timestamptz;
    ids     bigint[];
    groups  bigint[] := '{}';
    applied record;
begin
    perform require_read_committed();
    p_reason := left(p_reason, 2000);
    if p_as_skipped and p_names is null then
        raise exception 'a whole workflow cannot be skipped'
              using errcode = 'invalid_parameter_value', hint = 'Name the steps to be skipped, or cancel the workflow.';
    end if;
    select w.key, w.request, w.touched, w.has_closing, w.finished_at, w.ending
      into flow
      from workflows w
     where w.id = p_workflow_id
       for no key update;
    if not found then
        return;
    end if;
    if flow.request = p_request then
        cancelled := flow.touched;
        unknown := '{}';
        return;
    end if;

    unknown := array(
        select n.name from unnest(p_names) as n(name)
        except
        select s.name from steps s where s.id >= step_of(flow.key, 0) and s.id < step_of(flow.key + 1, 0)
    );
    cancelled := 0;
    if cardinality(unknown) > 0 then
        return;
    end if;
    ids := array(
        select s.id
          from steps s
         where s.id >= step_of(flow.key, 0) and s.id < step_of(flow.key + 1, 0)
           and s.finished_at is null
           -- Not `= any(p_names)`, which compares each step with each name.
           and (p_names is null or s.name in (select unnest(p_names)))
           and (p_names is not null or p_force or not s.is_closing)
    );
    if p_names is not null then
        -- A closing step is cancelled if it is named itself. One below a named group still cleans
        -- up after the group.
        ids := array(
            select s.id
              from steps s
             where s.id = any(with_descendants(ids))
               and s.finished_at is null
               and (p_force or not s.is_closing or s.name in (select unnest(p_names)))
        );
    end if;
    if flow.has_closing and not p_force then
        groups := groups_that_close(flow.key, ids);
        ids := array(select i.id from unnest(ids) as i(id) where i.id <> all(groups));
    end if;
    cancelled := cardinality(ids) + cardinality(groups);
    if cancelled = 0 then
        return;
    end if;
    perform end_entries(ids);
    -- After the entries are locked: they may be claimed until then, and no step may end before it
    -- was claimed.
    moment := clock_timestamp();
    update workflows w set request = p_request, touched = cancelled where w.key = flow.key;
    perform note_intervention(
        flow.key, 'cancel', p_actor, p_names, cancelled, p_reason,
        case
            when p_force or p_as_skipped then
                json_strip_nulls(json_build_object('force', nullif(p_force, false), 'as_skipped', nullif(p_as_skipped, false)))
        end
    );

    -- suspended, scheduled, available, executing, retryable -> cancelled or skipped
    update steps s
       set state = verdict::step_state,
           pending = 0,
           reason = p_reason,
           finished_at = moment
     where s.id = any(ids);
    update steps s
       set ending = coalesce(s.ending, json_build_object('state', verdict, 'reason', p_reason))
     where s.id = any(groups);

    if p_names is not null then
        applied := apply_consequences(ids, moment, false);
        perform notify_queues(applied.queues, applied.counts);
    elsif p_force or not flow.has_closing then
        perform finish_cancelled(flow.key, ids, moment);
    else
        update workflows w
           set ending = coalesce(w.ending, json_build_object('state', 'cancelled', 'reason', p_reason))
         where w.key = flow.key;
        applied := apply_consequences(ids, moment, false);
        perform notify_queues(applied.queues, applied.counts);
    end if;
end $$;
