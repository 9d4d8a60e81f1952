-- Return those of these workflows whose key nobody is taking at the moment; the others are pruned
-- another time.
--
-- Locks: their keys, without waiting for any, as others lock keys before workflows. The caller has
-- locked the workflows.
create or replace function free_to_delete(p_keys bigint[]) returns bigint[]
language plpgsql
as $$
declare
    keyed  bigint[] := array(select w.key from workflows w where w.key = any(p_keys) and w.run_key is not null);
    locked bigint[];
begin
    if keyed = '{}' then
        return p_keys;
    end if;
    locked := array(
        select k.workflow
          from run_keys k
         where k.key = any(array(select w.run_key from workflows w where w.key = any(keyed)))
         order by k.key
           for update skip locked
    );
    return array(
        select p.key
          from unnest(p_keys) as p(key)
         where p.key <> all(keyed)
            -- Of a run whose key another one took, or took and left, nothing is deleted but itself.
            or p.key = any(locked)
            or not exists (
                   select
                     from workflows w
                     join run_keys k on k.key = w.run_key and k.workflow = w.key
                    where w.key = any(array[p.key])
               )
         order by p.key
    );
end $$;
