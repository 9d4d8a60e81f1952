-- Which steps of a new workflow may take the results that steps of the same name have in another
-- one.
--
-- These are the same there: worker, arguments, language model, condition, `needs`, what a map maps
-- over, and the names of the dependencies, all of which are reused too. It completed there, was not
-- undone, and no closing step that always runs took its result, as one does that takes a resource
-- back. A sub-workflow is reused with all that is in it, completed or skipped, or not at all.
-- Closing steps are reused only as parts of one.
-- ids, others: parallel; the steps, and those whose results they take.
-- Locks: none.
create or replace function steps_to_reuse(p_key bigint, p_other bigint, out ids bigint[], out others bigint[])
language sql stable
as $$
    with recursive models as materialized (
        -- The names, of workers or steps or * for all, for which the two ask different models.
        select m.name
          from (
              select g.key as scope, e.key as name, e.value, w.key as workflow
                from workflows w
               cross join lateral json_each(w.models) as g
               cross join lateral json_each_text(g.value) as e
               where w.key = any(array[p_key, p_other])
          ) as m
         group by m.scope, m.name
        having count(*) = 1 or min(m.value) <> max(m.value)
    ), matched as materialized (
        select n.id, o.id as other
          from steps n
          join steps o on o.name = n.name
         where n.id >= step_of(p_key, 0) and n.id < step_of(p_key + 1, 0)
           and o.id >= step_of(p_other, 0) and o.id < step_of(p_other + 1, 0)
           and (n.finished_at is null or n.state = o.state)
           and o.state in ('completed', case when n.parent is not null then 'skipped' end)
           and (n.parent is not null or not n.is_closing)
           and n.role is not distinct from o.role
           and n.worker = o.worker
           and n.args::text = o.args::text
           and n.arg_refs::text is not distinct from o.arg_refs::text
           and n.map::text is not distinct from o.map::text
           and n.item_graph::text is not distinct from o.item_graph::text
           and n.condition::text is not distinct from o.condition::text
           and n.awaits::text is not distinct from o.awaits::text
           and n.needs is not distinct from o.needs
           and coalesce(n.grouping::text, '') = coalesce(nullif(o.grouping::text, 'graph'), '')
           and array(
                   select d.name
                     from unnest(n.dependencies) as e(ordinal)
                     join steps d on d.id = any(array[sibling_of(n.id, e.ordinal)])
                    order by d.name
               ) = array(
                   select d.name
                     from unnest(o.dependencies) as e(ordinal)
                     join steps d on d.id = any(array[sibling_of(o.id, e.ordinal)])
                    where d.undoes is null
                    order by d.name
               )
           and not exists (select from models m where m.name in ('*', n.worker, n.name, local_name(n.name)))
           and not exists (
                   select
                     from steps u
                    where u.id >= step_of(p_other, 0) and u.id < step_of(p_other + 1, 0)
                      and u.undoes = ordinal_of(o.id)
               )
           and not exists (
                   select
                     from unnest(o.dependents) as e(ordinal)
                     join steps c on c.id = any(array[sibling_of(o.id, e.ordinal)])
                    where o.parent is null
                      and c.role = 'always'
                      and c.began
                      and ordinal_of(o.id) = any(c.inputs)
               )
    ), unmatched(id) as (
        select n.id
          from steps n
         where n.id >= step_of(p_key, 0) and n.id < step_of(p_key + 1, 0)
           and not exists (select from matched m where m.id = n.id)
         union
        select reached.id
          from unmatched u
          join steps p on p.id = any(array[u.id])
         cross join lateral (
             select sibling_of(p.id, e.ordinal) as id from unnest(p.dependents) as e(ordinal)
              union all
             select sibling_of(p.id, p.parent) where p.parent is not null
              union all
             select c.id
               from steps c
              where c.id >= sibling_of(p.id, p.first_child) and c.id < sibling_of(p.id, p.first_child + p.children)
         ) as reached
    )
    select coalesce(array_agg(m.id order by m.id), '{}'), coalesce(array_agg(m.other order by m.id), '{}')
      from matched m
     where not exists (select from unmatched u where u.id = m.id)
$$;
