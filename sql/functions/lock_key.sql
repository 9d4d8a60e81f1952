-- Lock a key for a run that was inserted with it, and return the number of the run that took it last.
--
-- Locks: the key; the caller holds no workflow.
create or replace function lock_key(p_key text, p_workflow bigint) returns bigint
language plpgsql
as $$
declare
    holder bigint;
begin
    loop
        select k.workflow into holder from run_keys k where k.key = p_key for no key update;
        if found then
            return holder;
        end if;
        -- It was pruned with another run that took it later.
        insert into run_keys (key, workflow)
        values (p_key, p_workflow)
            on conflict (key) do nothing;
    end loop;
end $$;
