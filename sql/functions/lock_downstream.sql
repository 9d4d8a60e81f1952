-- Lock the entries of what is downstream of these steps, of all steps if none is named, so that none
-- of them is claimed while a retry decides what runs again.
--
-- Locks: the entries by step; the caller holds the lock of the workflow.
create or replace function lock_downstream(p_key bigint, p_names text[]) returns void
language plpgsql
as $$
begin
    perform 1
       from queue q
      where q.step_id = any(array(
                with recursive below(id) as (
                    select b.id
                      from unnest(with_descendants(array(
                               select s.id
                                 from steps s
                                where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
                                  and (p_names is null or s.name in (select unnest(p_names)))
                           ))) as b(id)
                     union
                    select reached.id
                      from below b
                      join steps p on p.id = any(array[b.id])
                     cross join lateral (
                         select sibling_of(p.id, d.ordinal) as id from unnest(p.dependents) as d(ordinal)
                          union all
                         select sibling_of(p.id, p.parent) where p.parent is not null
                     ) as reached
                )
                select b.id from below b
            ))
      order by q.step_id
        for update;
end $$;
