-- End every suspended step downstream of a step that was cancelled, discarded or skipped, unless it
-- ignores that.
--
-- They are cancelled below a cancelled or discarded step and skipped below a skipped one. Only
-- suspended steps end: a step that began by ignoring an earlier failure goes on, and so does a
-- group that waits for its children. Returns the steps that ended.
-- Locks: none; the caller holds the lock of the workflow. So the closure is one query that sees
-- every earlier outcome.
create or replace function end_dependents(p_root bigint, p_moment timestamptz) returns bigint[]
language plpgsql
as $$
declare
    root    record;
    verdict text;
    why     text;
    ended   bigint[];
begin
    select s.name, s.state, s.reason, s.dependents, s.role, s.not_needed into root from steps s where s.id = p_root;
    verdict := case root.state when 'skipped' then 'skipped' else 'cancelled' end;
    why := case
               -- A gate stands for its group, whose reason it has.
               when root.role = 'gate' then 'its workflow was ' || root.state
               else format('step ''%s'' upstream was %s', root.name, root.state)
           end;
    why := left(why || coalesce(': ' || root.reason, ''), 2000);

    ended := array(
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
           not_needed = root.not_needed,
           reason = why,
           finished_at = p_moment
     where s.id = any(ended);
    return ended;
end $$;
