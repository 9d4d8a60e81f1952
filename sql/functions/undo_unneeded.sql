-- Write the undos of steps of one workflow that were cancelled as not needed after they had begun.
-- They run at once, however the workflow ends. Returns those to be released; others wait for
-- attempts that have not ended.
-- Locks: none; the caller holds the lock of the workflow.
create or replace function undo_unneeded(p_ids bigint[], p_moment timestamptz) returns bigint[]
language plpgsql
as $$
declare
    flow    bigint;
    written bigint[];
    decided record;
    opened  bigint[] := '{}';
begin
    for flow in select distinct workflow_of(i.id) from unnest(p_ids) as i(id) loop
        written := write_undos(flow, null, p_ids, p_moment);
        if cardinality(written) > 0 then
            decided := decide_steps(written, p_moment);
            opened := opened || array(select w.id from unnest(written) as w(id) where w.id <> all(decided.waiting));
        end if;
    end loop;
    return opened;
end $$;
