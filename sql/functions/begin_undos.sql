-- Begin to undo a workflow that ended badly, after its last step has become final (see
-- write_undos).
--
-- completed, failed, cancelled -> executing; `ending` keeps how it ended.
-- is_undoing: whether there is anything to undo. opened: undos to be released; other undos may wait
--   for attempts that have not ended.
-- Locks: none; the caller holds the lock of the workflow.
create or replace function begin_undos(p_key bigint, p_moment timestamptz, out is_undoing boolean, out opened bigint[])
language plpgsql
as $$
declare
    verdict text;
    decided record;
begin
    select w.state into verdict from workflows w where w.key = p_key;
    opened := write_undos(p_key, null, null, p_moment);
    is_undoing := cardinality(opened) > 0;
    if is_undoing then
        update workflows w
           set ending = coalesce(w.ending, json_build_object('state', verdict, 'reason', null))
         where w.key = p_key;
        decided := decide_steps(opened, p_moment);
        opened := array(select o.id from unnest(opened) as o(id) where o.id <> all(decided.waiting));
    end if;
end $$;
