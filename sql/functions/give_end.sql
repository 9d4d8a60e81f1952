-- Make a step final without running it: completed with this result, or skipped.
--
-- What completes an undo counts as if the undo had run.
-- Locks: none; the caller holds the lock of the workflow, has deleted the step's entry, and applies
-- the consequences.
create or replace function give_end(
    p_step bigint, p_state text, p_result json, p_reason text, p_moment timestamptz
) returns void
language plpgsql
as $$
declare
    undone bigint;
begin
    -- suspended, queued -> completed or skipped
    update steps s
       set state = p_state,
           pending = 0,
           result = case when p_state = 'completed' then p_result end,
           began = s.began or p_state = 'completed',
           awaits_attempts = false,
           not_needed = false,
           refusals = 0,
           misfit_at = null,
           reason = p_reason,
           finished_at = p_moment
     where s.id = p_step
    returning case when p_state = 'completed' then sibling_of(s.id, s.undoes) end into undone;
    if undone is not null then
        update steps s
           set began = false,
               generation = s.generation + 1
         where s.id = undone;
        delete from kept k where k.step_id = undone;
    end if;
end $$;
