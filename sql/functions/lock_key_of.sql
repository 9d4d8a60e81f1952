-- Lock the key of a run that may be opened again, and return the number of the run that took it last;
-- null if the run has no key.
--
-- Locks: the key; the caller holds no workflow yet.
create or replace function lock_key_of(p_workflow_id text) returns bigint
language plpgsql
as $$
declare
    flow   record;
    holder bigint;
begin
    select w.key, w.run_key into flow from workflows w where w.id = p_workflow_id;
    if flow.run_key is null then
        return null;
    end if;
    loop
        select k.workflow into holder from run_keys k where k.key = flow.run_key for no key update;
        if found then
            return holder;
        end if;
        -- It was pruned with another run, which had taken it later.
        insert into run_keys (key, workflow)
        values (flow.run_key, flow.key)
            on conflict (key) do nothing;
    end loop;
end $$;
