-- What a pool logs of workflows that failed: a JSON list of [id, name, step, reason]. The step is
-- the first one that failed, in the order added, and not because of another step; groups are left
-- out. Only the first 10,000 steps are looked at, for the locks are held meanwhile: null if none of
-- them is it.
--
-- p_keys: the workflows.
-- Locks: none; the caller holds those of the workflows.
create or replace function failures_of(p_keys bigint[]) returns text
language sql stable
as $$
    select json_agg(json_build_array(w.id, w.name, f.name, f.reason) order by w.key)::text
      from unnest(p_keys) as k(key)
     cross join lateral (
               select f.key, f.id, f.name from workflows f where f.key = k.key offset 0
           ) as w
      left join lateral (
               select s.name, s.reason
                 from (
                          select r.id, r.name, r.reason, r.state, r.not_needed, r.first_child
                            from steps r
                           where r.id >= step_of(w.key, 0) and r.id < step_of(w.key + 1, 0)
                           order by r.id
                           limit 10000
                      ) as s
                where s.state in ('discarded', 'cancelled')
                  and not s.not_needed
                  and s.first_child is null
                order by s.state = 'cancelled', s.id
                limit 1
           ) f on true
$$;
