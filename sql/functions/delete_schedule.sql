-- Delete a schedule. Its runs stay.
--
-- deleted: false if there was none of this name.
-- Locks: the schedule.
create or replace function delete_schedule(p_name text, out deleted boolean)
language plpgsql security definer
as $$
begin
    delete from schedules s
     where s.name = p_name;
    deleted := found;
end $$;
