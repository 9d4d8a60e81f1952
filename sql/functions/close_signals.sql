-- Close those of these steps' signals that have not come, so that none comes any more. Returns the
-- steps.
--
-- Locks: rows of signals, without waiting. One that a sender holds is not closed.
create or replace function close_signals(p_ids bigint[]) returns bigint[]
language plpgsql
as $$
declare
    closed bigint[];
begin
    -- A sender that comes after this finds the row closed; one that came before holds the row, or
    -- is seen by the caller's next statement.
    with free as (
        select g.workflow, g.name
          from steps s
          join signals g on g.workflow = any(array[workflow_of(s.id)]) and g.name = s.name
         where s.id = any(p_ids)
           and g.sent_at is null
           for update of g skip locked
    ), updated as (
        update signals g
           set is_closed = true
          from free f
         where g.workflow = any(array[f.workflow])
           and g.name = f.name
     returning g.step_id
    )
    select coalesce(array_agg(u.step_id), '{}') into closed from updated u;
    return closed;
end $$;
