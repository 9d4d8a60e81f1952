-- Write what attempts have left, each kind where it belongs.
--
-- p_ids, p_tokens, p_attempts, p_kinds, p_keys, p_numbers, p_ages, p_values: parallel, one element a
--   record.
--   p_attempts: number of the attempt, as the claim counted it.
--   p_kinds: decides which function writes it; an unknown kind is left out.
--   p_keys: what the kind makes of it: of debug what the worker called the record.
--   p_numbers: the order within the attempt; with the token it recognises a repeated call.
--   p_ages: seconds since it was left.
--   p_values: JSON.
-- Records count whether or not the claim still does: what a void attempt has done, it has done. A
-- kind for which that is wrong asks attempt_counts.
-- Locks: none but rows of the tables that the kinds write; the caller has locked the workflows.
create or replace function write_records(
    p_ids bigint[], p_tokens uuid[], p_attempts integer[], p_kinds text[], p_keys text[], p_numbers integer[],
    p_ages double precision[], p_values text[]
) returns void
language plpgsql
as $$
begin
    if 'debug' = any(p_kinds) then
        insert into debug_records (step_id, token, number, attempt, recorded_at, kind, value)
        select r.id, r.token, r.number, r.attempt, clock_timestamp() - interval '1 second' * r.age, r.key, r.value::json
          from unnest(p_ids, p_tokens, p_attempts, p_kinds, p_keys, p_numbers, p_ages, p_values)
               as r(id, token, attempt, kind, key, number, age, value)
         where r.kind = 'debug'
            on conflict (step_id, token, number) do nothing;
    end if;
    if 'units' = any(p_kinds) then
        perform write_units(p_ids, p_tokens, p_kinds, p_numbers, p_values);
    end if;
    if 'progress' = any(p_kinds) then
        perform write_progress(p_ids, p_tokens, p_kinds, p_numbers, p_ages, p_values);
    end if;
    if 'usage' = any(p_kinds) then
        perform write_usage(p_ids, p_tokens, p_attempts, p_kinds, p_numbers, p_ages, p_values);
    end if;
    if p_kinds && '{stream,stream kept}' then
        perform write_streams(p_ids, p_tokens, p_attempts, p_kinds, p_keys, p_numbers, p_values);
    end if;
end $$;
