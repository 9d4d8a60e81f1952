-- How a step ends that waits for another workflow, as that is now. The other one is read, not
-- locked: it may be opened again meanwhile, which changes nothing for a step that has ended by it.
--
-- state: null while it has not ended, or may still be inserted. exists: whether there is such a
-- workflow.
create or replace function run_outcome(
    p_step bigint, p_awaits json, p_began timestamptz, p_moment timestamptz,
    out state text, out result json, out reason text, out "exists" boolean
)
language plpgsql stable
as $$
#variable_conflict use_column
declare
    run record;
begin
    select w.key, w.state into run from workflows w where w.id = p_awaits ->> 'id';
    "exists" := found;
    case
        when not found then
            if p_moment >= p_began + interval '1 second' * coalesce((p_awaits ->> 'within')::double precision, 0) then
                state := 'discarded';
                reason := format('there is no workflow ''%s''', p_awaits ->> 'id')
                          || coalesce(', and none came within ' || (p_awaits ->> 'within') || ' s', '');
            end if;
        when run.key = workflow_of(p_step) then
            state := 'discarded';
            reason := 'it is a step of the workflow for whose end it would wait';
        when run.state = 'completed' then
            state := 'completed';
            result := coalesce(workflow_result(run.key), 'null');
        when run.state in ('failed', 'cancelled') then
            state := case run.state when 'failed' then 'discarded' else 'cancelled' end;
            select left(
                       format('workflow ''%s'' %s', p_awaits ->> 'id', case run.state when 'failed' then 'failed' else 'was cancelled' end)
                       || coalesce(format('; step ''%s'' was %s', f.name, f.state) || coalesce(': ' || f.reason, ''), ''),
                       2000
                   )
              into reason
              from (select 1) as one
              left join lateral (
                       select s.name, s.state, s.reason
                         from steps s
                        where s.id >= step_of(run.key, 0) and s.id < step_of(run.key + 1, 0)
                          and s.parent is null
                          and s.state in ('discarded', 'cancelled')
                        order by s.state = 'cancelled', s.id
                        limit 1
                   ) as f on true;
        else
            null;
    end case;
end $$;
