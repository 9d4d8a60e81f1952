-- Delete what these steps expanded into, so that they run again from the start. All of it is final.
--
-- Their next children have the generation of what is deleted: what those did and what was undone
-- has another idempotency key.
-- Locks: none; the caller holds the lock of the workflow, and counts its steps that remain.
create or replace function unexpand(p_groups bigint[]) returns void
language plpgsql
as $$
declare
    gone bigint[];
begin
    gone := array(select b.id from unnest(with_descendants(p_groups)) as b(id) where b.id <> all(p_groups));
    if gone = '{}' then
        return;
    end if;
    update steps g
       set generation = (select max(s.generation) from steps s where s.id = any(with_descendants(array[g.id])))
     where g.id = any(p_groups);
    -- What is around the graph keeps no trace of it.
    update steps d
       set dependents = array(
               select o.ordinal
                 from unnest(d.dependents) with ordinality as o(ordinal, n)
                where sibling_of(d.id, o.ordinal) <> all(gone)
                order by o.n
           )
     where d.id = any(array(
               select sibling_of(s.id, o.ordinal)
                 from steps s
                cross join lateral unnest(s.dependencies) as o(ordinal)
                where s.id = any(gone)
           ))
       and d.id <> all(gone);
    delete from deadlines d where d.step_id = any(gone);
    delete from kept k where k.step_id = any(gone);
    delete from stream_chunks c where c.step_id = any(gone);
    delete from progress p where p.step_id = any(gone);
    delete from debug_records r where r.step_id = any(gone);
    delete from used_units u where u.step_id = any(gone);
    delete from steps s where s.id = any(gone);
    -- final -> queued, for now
    update steps g
       set state = 'queued',
           finished_at = null,
           first_child = null,
           children = null,
           returns = null,
           again = null,
           grouping = case when g.map is not null then g.grouping end,
           slots = g.concurrency,
           next_child = null
     where g.id = any(p_groups);
    update workflows w
       set next_ordinal = coalesce(w.next_ordinal, w.total),
           total = w.total - cardinality(gone)
     where w.key = workflow_of(p_groups[1]);
end $$;
