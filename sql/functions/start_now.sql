-- Let steps start now that wait for a time: scheduled ones, and those that wait for their next
-- attempt. Timers end.
--
-- A named group stands for the steps below it.
-- p_request: drawn by the caller for this call. A repeated call changes nothing and returns the
--   same.
-- p_actor, p_reason: noted as an intervention.
-- started: how many steps; null if there is no such workflow.
-- unknown: names that are not steps of it. refused: names of steps that do not wait for a time, and
--   of groups without a step that does. With either, nothing is changed.
-- Locks: the workflow, then the entries by step.
create or replace function start_now(
    p_workflow_id text, p_names text[], p_actor text default null, p_reason text default null, p_request uuid default null,
    out started integer, out unknown text[], out refused text[]
)
language plpgsql security definer
as $$
declare
    flow   record;
    named  bigint[];
    below  bigint[];
    due    bigint[];
    timers bigint[];
    moment timestamptz;
begin
    perform require_read_committed();
    select w.key, w.request, w.touched
      into flow
      from workflows w
     where w.id = p_workflow_id
       for no key update;
    if not found then
        return;
    end if;
    unknown := '{}';
    refused := '{}';
    if flow.request = p_request then
        started := flow.touched;
        return;
    end if;
    started := 0;
    named := array(
        select s.id
          from steps s
         where s.id >= step_of(flow.key, 0) and s.id < step_of(flow.key + 1, 0)
           and s.name in (select unnest(p_names))
    );
    unknown := array(
        select n.name from unnest(p_names) as n(name)
        except
        select s.name from steps s where s.id = any(named)
    );
    if cardinality(unknown) > 0 then
        return;
    end if;
    below := with_descendants(named);
    perform 1 from queue q where q.step_id = any(below) order by q.step_id for update;
    moment := clock_timestamp();
    due := array(
        select q.step_id from queue q where q.step_id = any(below) and q.state in ('scheduled', 'retryable')
    );
    timers := array(
        select s.id
          from steps s
          join queue q on q.step_id = any(array[s.id])
         where s.id = any(below)
           and q.state = 'waiting'
           and s.awaits ->> 'type' = 'timer'
    );
    refused := array(
        select n.name
          from steps n
         where n.id = any(named)
           and not (due || timers) && with_descendants(array[n.id])
         order by n.id
    );
    if cardinality(refused) > 0 then
        return;
    end if;
    -- scheduled, retryable -> available
    update queue q
       set scheduled_at = moment,
           position = moment
     where q.step_id = any(due);
    perform stage_entries(due);
    -- Upkeep ends them.
    update queue q set ends_at = moment where q.step_id = any(timers);
    if cardinality(timers) > 0 then
        perform notify_ripe(moment, moment);
    end if;
    started := cardinality(due) + cardinality(timers);
    update workflows w set request = p_request, touched = started where w.key = flow.key;
    perform note_intervention(flow.key, 'start_now', p_actor, p_names, started, p_reason);
end $$;
