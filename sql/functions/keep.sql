-- Keep a value for the next attempts of a step, in place of the one that it kept before. The count
-- of its failures begins anew: the attempt that runs is its first.
--
-- p_token: of the attempt that keeps it. p_value: JSON.
-- Returns false if the claim is void: then nothing is kept. May be repeated.
-- Locks: the entry, and no workflow: no step is written.
create or replace function keep(p_step bigint, p_token uuid, p_value text) returns boolean
language plpgsql security definer
as $$
declare
    attempts integer;
begin
    perform require_read_committed();
    select q.attempt into attempts from queue q where q.step_id = p_step and q.token = p_token for no key update;
    if not found then
        return false;
    end if;
    insert into kept as k (step_id, token, value)
    values (p_step, p_token, p_value::json)
        on conflict (step_id) do update
       set token = excluded.token,
           value = excluded.value;
    if attempts > 1 then
        update queue q set attempt = 1 where q.step_id = p_step and q.token = p_token;
    end if;
    return true;
end $$;
