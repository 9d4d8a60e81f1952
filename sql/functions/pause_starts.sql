-- Pause a run, or a worker: from now on none of its steps starts, in any pool.
--
-- Running attempts go on and settle. Claims that are under way may still start steps. A pause
-- survives restarts of pools and server.
-- p_kind: run or worker. p_name: the workflow's id, or the worker's name. p_actor: who pauses it;
--   noted as an intervention.
-- paused: false if it was paused already; null if there is no such run.
-- Locks: a row of paused_starts.
create or replace function pause_starts(
    p_kind text, p_name text, p_actor text default null, out paused boolean
)
language plpgsql security definer
as $$
declare
    flow bigint;
begin
    if p_kind = 'run' then
        select w.key into flow from workflows w where w.id = p_name;
        if not found then
            return;
        end if;
    end if;
    insert into paused_starts (subject)
    values (case p_kind when 'run' then 'run ' || flow else 'worker ' || p_name end)
        on conflict do nothing;
    paused := found;
    if paused then
        perform note_intervention(
            flow, 'pause', p_actor,
            p_subject => case when flow is null then 'worker ' || p_name end
        );
    end if;
end $$;
