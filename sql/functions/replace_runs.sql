-- Cancel the runs that hold these keys, where that was asked for: `if_running` is replace, or it is
-- replace unless begun, and no step of the run has begun.
--
-- A run that has ended is not replaced, although its key may still be taken. The closing steps and
-- undos of a cancelled run go on without the key.
-- p_names, p_places: parallel; keys, and the places of the workflows that ask for them in p_ids and
--   p_scopes. p_asking: those of the keys that are looked at.
-- Returns the keys of the workflows that were cancelled.
-- Locks: the runs in the order of their keys, then their entries by step. The caller holds the
-- keys.
create or replace function replace_runs(
    p_names text[], p_places integer[], p_asking text[], p_ids text[], p_scopes text[]
) returns bigint[]
language plpgsql
as $$
declare
    candidates bigint[];
    cautious   bigint[];
    replaced   bigint[] := '{}';
    flow       record;
begin
    select array_agg(w.key), array_agg(w.key) filter (where u.if_running = 'replace unless begun')
      into candidates, cautious
      from unnest(p_names, p_places) as n(name, place)
     cross join lateral (select p_scopes[n.place]::json #>> '{key,if_running}') as u(if_running)
      join run_keys k on k.key = any(array[n.name])
      join workflows w on w.key = any(array[k.workflow])
     where n.name = any(p_asking)
       and u.if_running in ('replace', 'replace unless begun')
       and w.state = 'executing';
    if candidates is null then
        return replaced;
    end if;
    perform 1 from workflows w where w.key = any(candidates) order by w.key for no key update;
    -- An entry that is locked is not claimed any more.
    perform 1
       from queue q
      where q.step_id = any(array(
                select e.step_id
                  from unnest(cautious) as c(key)
                  join queue e
                    on e.step_id >= step_of(c.key, 0) and e.step_id < step_of(c.key + 1, 0)
            ))
      order by q.step_id
        for update;
    for flow in
        select w.key, w.id, p_ids[n.place] as successor
          from unnest(p_names, p_places) as n(name, place)
          join run_keys k on k.key = any(array[n.name])
          join workflows w on w.key = any(array[k.workflow])
         where n.name = any(p_asking)
           and w.key = any(candidates)
           and w.state = 'executing'
           and not (
                   w.key = any(coalesce(cautious, '{}'))
                   and exists (
                           select
                             from steps s
                             left join queue q on q.step_id = any(array[s.id])
                            where s.id >= step_of(w.key, 0) and s.id < step_of(w.key + 1, 0)
                              and (s.began or q.state = 'executing' or q.attempt > 0)
                       )
               )
         order by w.key
    loop
        perform cancel(
            flow.id, null,
            format('replaced by workflow %s, which has the same key', flow.successor), gen_random_uuid()
        );
        replaced := replaced || flow.key;
    end loop;
    return replaced;
end $$;
