-- Write what attempts leave while they run. See write_records for the parameters.
--
-- Those of a workflow that is gone are left out. May be repeated.
-- Locks: the workflows, against their deletion alone: no settle waits for it.
create or replace function leave_records(
    p_ids bigint[], p_tokens uuid[], p_attempts integer[], p_kinds text[], p_keys text[], p_numbers integer[],
    p_ages double precision[], p_values text[]
) returns void
language plpgsql security definer
as $$
begin
    perform require_read_committed();
    perform 1
       from workflows w
      where w.key = any(array(select workflow_of(r.id) from unnest(p_ids) as r(id)))
      order by w.key
        for key share;
    perform write_records_of_living(p_ids, p_tokens, p_attempts, p_kinds, p_keys, p_numbers, p_ages, p_values);
end $$;
