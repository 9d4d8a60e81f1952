-- Delete a schedule. Its runs stay.
--
-- p_actor: who deletes it; noted as an intervention.
-- deleted: false if there was none of this name.
-- Locks: the schedule.
create or replace function delete_schedule(p_name text, p_actor text default null, out deleted boolean)
language plpgsql security definer
as $$
begin
    delete from schedules s
     where s.name = p_name;
    deleted := found;
    if deleted then
        perform note_intervention(null, 'delete schedule', p_actor, p_subject => p_name);
    end if;
end $$;
