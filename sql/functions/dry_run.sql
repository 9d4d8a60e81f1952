-- What an intervention would change, without changing it: it is made, looked at, and taken back.
--
-- p_action: retry, cancel, complete, skip or start_now. p_names: as these functions take them;
--   p_options: their options, as JSON; p_result: of complete.
-- changed: what the function would answer; null if there is no such workflow.
-- refusal, facts: of complete and skip, see end_without_running; of retry if another run holds the
--   key. unknown, refused: of the others.
-- state_before, state_after: of the workflow.
-- names, befores, afters: parallel, in the order of the steps: those whose state would change, and
--   the states. A state is null of a step that would be written or deleted.
-- Locks: as the function; they are released at its end.
create or replace function dry_run(
    p_workflow_id text, p_action text, p_names text[], p_options json, p_result text,
    out changed integer, out refusal text, out facts text[], out unknown text[], out refused text[],
    out state_before text, out state_after text, out names text[], out befores text[], out afters text[]
)
language plpgsql security definer
as $$
declare
    flow    bigint;
    before  bigint[];
    named   text[];
    states  text[];
    options json := coalesce(p_options, '{}');
begin
    begin
        perform require_read_committed();
        -- The key comes before the workflow.
        perform lock_key_of(p_workflow_id);
        select w.key, w.state into flow, state_before from workflows w where w.id = p_workflow_id for no key update;
        if not found then
            return;
        end if;
        select s.ids, s.names, s.states into before, named, states from step_states(flow) as s;
        case p_action
            when 'retry' then
                select r.opened, r.unknown, r.refused,
                       case when r.key_holder is not null then 'key' end,
                       case when r.key_holder is not null then array[r.key_holder, r.run_key] end
                  into changed, unknown, refused, refusal, facts
                  from retry(
                           p_workflow_id, p_names, gen_random_uuid(),
                           coalesce((options ->> 'forward')::boolean, false),
                           coalesce((options ->> 'downstream')::boolean, false)
                       ) as r;
            when 'cancel' then
                select c.cancelled, c.unknown
                  into changed, unknown
                  from cancel(
                           p_workflow_id, p_names, null, gen_random_uuid(),
                           coalesce((options ->> 'force')::boolean, false),
                           coalesce((options ->> 'as_skipped')::boolean, false)
                       ) as c;
            when 'complete' then
                select c.changed, c.refusal, c.facts
                  into changed, refusal, facts
                  from complete(
                           p_workflow_id, p_names[1], p_result, null, null, gen_random_uuid(),
                           coalesce((options ->> 'forward')::boolean, false)
                       ) as c;
            when 'skip' then
                select s.changed, s.refusal, s.facts
                  into changed, refusal, facts
                  from skip(
                           p_workflow_id, p_names[1], null, null, gen_random_uuid(),
                           coalesce((options ->> 'forward')::boolean, false)
                       ) as s;
            when 'start_now' then
                select s.started, s.unknown, s.refused
                  into changed, unknown, refused
                  from start_now(p_workflow_id, p_names, null, null, gen_random_uuid()) as s;
        end case;
        select w.state into state_after from workflows w where w.key = flow;
        select array_agg(d.name order by d.id), array_agg(d.before order by d.id), array_agg(d.after order by d.id)
          into names, befores, afters
          from (
              select coalesce(b.id, a.id) as id, coalesce(b.name, a.name) as name, b.state as before, a.state as after
                from unnest(before, named, states) as b(id, name, state)
                full join (
                         select n.id, n.name, n.state
                           from step_states(flow) as s
                          cross join lateral unnest(s.ids, s.names, s.states) as n(id, name, state)
                     ) as a on a.name = b.name
               where b.state is distinct from a.state
          ) as d;
        raise exception using errcode = 'BTN01', message = 'a dry run is taken back';
    exception
        -- The variables keep what was found.
        when sqlstate 'BTN01' then
            null;
    end;
end $$;
