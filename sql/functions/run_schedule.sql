-- Insert a run of a schedule beside its slots, and note who asked for it.
--
-- p_name: the schedule. p_workflow: see insert_workflow_json.
-- p_actor: who does; noted as an intervention of the run.
-- is_new: false if the id exists already; then nothing is noted.
-- Locks: as insert_workflow_json.
create or replace function run_schedule(p_name text, p_workflow text, p_actor text default null, out is_new boolean)
language plpgsql security definer
as $$
declare
    inserted record;
begin
    inserted := insert_workflow_json(p_workflow, false);
    is_new := inserted.is_new;
    if is_new then
        perform note_intervention(inserted.key, 'run schedule', p_actor, p_subject => p_name);
    end if;
end $$;
