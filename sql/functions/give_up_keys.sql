-- Free the keys of workflows that are not inserted after all, because their ids exist.
--
-- p_scopes: as in take_keys. p_keys: the numbers that were drawn for these workflows.
-- Locks: none; the caller has taken the keys in this transaction.
create or replace function give_up_keys(p_scopes text[], p_keys bigint[]) returns void
language sql
as $$
    delete from run_keys k
     where k.key = any(array(select u.scope::json #>> '{key,key}' from unnest(p_scopes) as u(scope)))
       and k.workflow = any(p_keys)
$$;
