-- Find the workflows for which steps have begun to wait, and ask each to announce its end, up to
-- p_limit.
--
-- A workflow that somebody else has locked is left for the next call. Returns how many were asked.
-- Locks: the workflows that are waited for, without waiting for any; then rows of awaited_runs. No
-- other workflow is locked at the same time by this, in particular not those of the steps that
-- wait.
create or replace function watch_runs(p_limit integer) returns integer
language plpgsql security definer
as $$
declare
    ids  text[];
    keys bigint[];
begin
    perform require_read_committed();
    ids := array(select a.run_id from awaited_runs a where a.is_new limit p_limit);
    -- Each by its id: in one statement with the order, all workflows would be read in the order of
    -- their keys.
    keys := array(
        select f.key
          from unnest(ids) as i(id)
         cross join lateral (select w.key from workflows w where w.id = i.id offset 0) as f
    );
    keys := array(
        select w.key from workflows w where w.key = any(keys) order by w.key for no key update skip locked
    );
    update workflows w set watched = true where w.key = any(keys) and not w.watched and w.finished_at is null;
    with found as (
        select a.step_id, w.key
          from awaited_runs a
         cross join lateral (
                   select f.key, f.finished_at from workflows f where f.id = a.run_id offset 0
               ) as w
         where a.is_new
           and w.key = any(keys)
           and w.finished_at is null
           for no key update of a skip locked
    )
    update awaited_runs a
       set run_key = f.key,
           is_new = false
      from found f
     where a.step_id = any(array[f.step_id]);
    return cardinality(keys);
end $$;
