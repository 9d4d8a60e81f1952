-- Delete the steps of all rounds of a step but the last p_keep ones. It has no children at this
-- moment, so all that are below it are of earlier rounds, and final.
--
-- Ordinals are not used again. A round stays if what was done in it may have to be undone.
-- p_keep: null for all.
-- Locks: none; the caller holds the lock of the workflow.
create or replace function prune_rounds(p_step bigint, p_keep integer) returns void
language plpgsql
as $$
declare
    gone     bigint[];
    ordinals integer[];
begin
    if p_keep is null then
        return;
    end if;
    with recursive children as (
        select c.id, left(c.name, -length(local_name(c.name))) as prefix
          from steps c
         where c.id > p_step
           and c.id < step_of(workflow_of(p_step) + 1, 0)
           and c.parent = ordinal_of(p_step)
    ), rounds as (
        select c.prefix, row_number() over (order by min(c.id) desc) as age from children c group by c.prefix
    ), below(id, prefix) as (
        select c.id, c.prefix
          from children c
          join rounds r on r.prefix = c.prefix and r.age > p_keep
         union all
        select s.id, b.prefix
          from below b
          join steps s on s.id > p_step and s.id < step_of(workflow_of(p_step) + 1, 0) and s.parent = ordinal_of(b.id)
    )
    select array_agg(b.id)
      into gone
      from below b
     where b.prefix not in (
               select u.prefix from below u join steps s on s.id = any(array[u.id]) where s.undo is not null and s.began
           );
    if gone is null then
        return;
    end if;
    ordinals := array(select ordinal_of(g.id) from unnest(gone) as g(id));
    update steps s
       set dependents = array(select d.ordinal from unnest(s.dependents) with ordinality as d(ordinal, n)
                               where d.ordinal <> all(ordinals) order by d.n)
     where s.id = any(array(
               select sibling_of(p_step, o.ordinal)
                 from steps c
                cross join lateral unnest(c.dependencies) as o(ordinal)
                where c.id = any(gone)
                  and o.ordinal <> all(ordinals)
           ));
    delete from steps s where s.id = any(gone);
    delete from kept k where k.step_id = any(gone);
    delete from stream_chunks c where c.step_id = any(gone);
    delete from progress p where p.step_id = any(gone);
    delete from debug_records r where r.step_id = any(gone);
    delete from used_units u where u.step_id = any(gone);
    update workflows w
       set next_ordinal = coalesce(w.next_ordinal, w.total),
           total = w.total - cardinality(gone)
     where w.key = workflow_of(p_step);
end $$;
