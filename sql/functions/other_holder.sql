-- Return the id of the run that holds the key of this workflow, if it is another one; else null.
--
-- p_holder: what lock_key_of returned.
create or replace function other_holder(p_holder bigint, p_workflow bigint) returns text
language plpgsql
as $$
begin
    if p_holder is null or p_holder = p_workflow then
        return null;
    end if;
    return (select w.id from workflows w where w.key = p_holder and holds_key(w));
end $$;
