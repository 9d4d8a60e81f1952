-- Delete the undos of a workflow that is retried. They are all final, and are written anew if it
-- ends badly again.
--
-- Locks: none; the caller holds the lock of the workflow.
create or replace function delete_undos(p_key bigint) returns void
language plpgsql
as $$
declare
    deleted integer[];
begin
    if exists (
        select
          from steps s
         where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0) and s.undoes is not null and s.finished_at is null
    ) then
        -- Of what was not needed, in a workflow that goes on: they end with it.
        return;
    end if;
    with gone as (
        delete from steps s
         where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
           and s.undoes is not null
     returning ordinal_of(s.id) as ordinal
    )
    select array_agg(g.ordinal) into deleted from gone g;
    if deleted is null then
        return;
    end if;
    update workflows w set next_ordinal = coalesce(w.next_ordinal, w.total),
           total = w.total - cardinality(deleted)
     where w.key = p_key;
    update steps s
       set dependencies = kept.dependencies,
           edges = kept.edges
      from (
          select e.id, array_agg(o.ordinal order by o.n) as dependencies, array_agg(e.edges[o.n] order by o.n) as edges
            from steps e
           cross join lateral unnest(e.dependencies) with ordinality as o(ordinal, n)
           where e.id >= step_of(p_key, 0) and e.id < step_of(p_key + 1, 0)
             and e.role = 'end'
             and e.parent is null
             and o.ordinal <> all(deleted)
           group by e.id
      ) as kept
     where s.id = kept.id;
end $$;
