-- Take the keys of workflows that the caller is about to insert, or find the runs that hold them.
--
-- A run holds its key while it is executing, and for key_for seconds after its end. Whether it does
-- is read from its own row, so the end of a run frees the key in the same commit, and writes
-- nothing more. What is done if a run holds the key, `if_running`:
--   return, refuse                  nothing; the caller inserts nothing
--   replace, replace unless begun   see replace_runs
--
-- p_ids: of the workflows. p_scopes: parallel; the field `key` has key, if_running and seconds
--   (key_for). Without it a workflow takes no key. The keys are distinct.
-- p_keys: parallel; the numbers drawn for the workflows. The rows of the keys taken name them.
-- Returns, parallel, the id of the run that holds the key; null where it was taken, and where a
--   workflow with this id exists, whose key it is not asked for again.
-- Locks: the keys in their order, before any workflow. Two calls in one transaction can therefore
-- deadlock with others. Then the workflows that exist under these ids, for key share. Then as
-- replace_runs. The end of a run locks no key, and a retry locks the key first.
create or replace function take_keys(p_ids text[], p_scopes text[], p_keys bigint[]) returns text[]
language plpgsql
as $$
declare
    names    text[];
    drawn    bigint[];
    places   integer[];
    holders  text[];
    is_first boolean := true;
    fresh    text[];
    present  text[];
    asking   text[];
    replaced bigint[];
begin
    select array_agg(n.name order by n.name), array_agg(n.key order by n.name),
           array_agg(n.place order by n.name)
      into names, drawn, places
      from (
               select (u.scope::json #>> '{key,key}') collate "C" as name, u.key,
                      u.place::integer as place
                 from unnest(p_scopes, p_keys) with ordinality as u(scope, key, place)
           ) as n
     where n.name is not null;

    loop
        begin
            if is_first then
                -- Nearly always all are new, and `on conflict` would double what the rows cost.
                insert into run_keys as k (key, workflow)
                select n.name, n.key from unnest(names, drawn) as n(name, key) order by n.name;
                return array_fill(null::text, array[cardinality(p_ids)]);
            end if;
            -- Waits, as it meets them, for those who insert or change the same keys.
            with inserted as (
                insert into run_keys as k (key, workflow)
                select n.name, n.key from unnest(names, drawn) as n(name, key) order by n.name
                    on conflict (key) do nothing
             returning k.key
            )
            select coalesce(array_agg(i.key), '{}') into fresh from inserted i;
            present := array(
                select n.name from unnest(names) as n(name)
                except
                select f.name from unnest(fresh) as f(name)
            );
            exit when cardinality(present) = cardinality(
                array(
                    select k.key
                      from run_keys k
                     where k.key = any(present)
                     order by k.key
                       for no key update
                )
            );
            -- A key was pruned before it was locked. To insert it now would break the order.
            raise exception using errcode = 'BK001';
        exception
            when unique_violation or sqlstate 'BK001' then
                is_first := false;
        end;
    end loop;

    -- Share lock, so that they cannot be pruned before the caller finds them.
    perform 1
       from workflows w
      where w.id = any(array(select p_ids[n.place] from unnest(places) as n(place)))
      order by w.id
        for key share;
    asking := array(
        select n.name
          from unnest(names, places) as n(name, place)
          left join workflows e on e.id = any(array[p_ids[n.place]])
         where n.name = any(present)
           and e.key is null
    );
    replaced := replace_runs(names, places, asking, p_ids, p_scopes);

    select array_agg(h.id order by u.place)
      into holders
      from generate_subscripts(p_ids, 1) as u(place)
      left join (
               select n.place, w.id
                 from unnest(names, places) as n(name, place)
                 join run_keys k on k.key = any(array[n.name])
                 join workflows w on w.key = any(array[k.workflow])
                where n.name = any(asking)
                  and w.key <> all(replaced)
                  and holds_key(w)
           ) as h on h.place = u.place;

    update run_keys k
       set workflow = n.key
      from unnest(names, drawn, places) as n(name, key, place)
     where k.key = any(array[n.name])
       and n.name = any(asking)
       and holders[n.place] is null;
    return holders;
end $$;
