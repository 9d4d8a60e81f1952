-- End every suspended step downstream of a step that became cancelled, discarded or skipped and that it does not
-- ignore, and so on: cancelled below a cancelled or discarded one, skipped below a skipped one. Returns their ids.
-- The caller holds the lock of the workflow, so the closure is one query that sees every earlier outcome.
-- Only suspended steps are ended: what has begun by ignoring an earlier failure keeps its run, and so does a group that waits for
-- its children.
create or replace function end_dependents(p_root bigint, p_moment timestamptz) returns bigint[]
language plpgsql
as $$
declare
    root    record;
    verdict text;
    why     text;
    doomed  bigint[];
begin
    select s.name, s.state, s.reason, s.dependents, s.role into root from steps s where s.id = p_root;
    verdict := case root.state when 'skipped' then 'skipped' else 'cancelled' end;
    -- A gate stands for its group, whose reason it has.
    why := left(case when root.role = 'gate' then 'its workflow was ' || root.state else format('step ''%s'' upstream was %s', root.name, root.state) end || coalesce(': ' || root.reason, ''), 2000);

    doomed := array(
        with recursive below(id) as (
            select c.id
              from unnest(root.dependents) as o(ordinal)
              join steps c on c.id = any(array[sibling_of(p_root, o.ordinal)])
             where c.state = 'suspended'
               and c.first_child is null
               and c.needs is null
               and not edge_ignores(c, ordinal_of(p_root), root.state)
             union
            select c.id
              from below b
              join steps p on p.id = any(array[b.id])
             cross join lateral unnest(p.dependents) as o(ordinal)
              join steps c on c.id = any(array[sibling_of(p.id, o.ordinal)])
             where c.state = 'suspended'
               and c.first_child is null
               and c.needs is null
               and not edge_ignores(c, ordinal_of(p.id), verdict)
        )
        select b.id from below b order by b.id
    );

    -- suspended -> cancelled or skipped
    update steps s
       set state = verdict,
           pending = 0,
           reason = why,
           finished_at = p_moment
     where s.id = any(doomed);
    return doomed;
end $$;
