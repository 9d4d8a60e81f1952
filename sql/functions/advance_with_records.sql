-- Settle outcomes, claim, and write what the attempts leave that are settled, in one transaction.
--
-- See advance for the first twelve parameters and the answer, write_records for the others.
-- Locks: workflows, then entries, then what write_records does.
create or replace function advance_with_records(
    p_pool bigint, p_queues text[], p_limits integer[], p_token uuid, p_input_bytes bigint,
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_details text[], p_traces text[], p_delays double precision[],
    p_memory text,
    p_record_ids bigint[], p_record_tokens uuid[], p_attempts integer[], p_record_kinds text[], p_keys text[],
    p_numbers integer[], p_ages double precision[], p_values text[]
) returns table (
    accepted boolean[], failures text, memory text,
    step_id bigint, workflow_id text, workflow_name text, name text, queue text, worker text, args text, arg_refs text,
    results text, outcomes text, attempt integer, max_attempts integer, timeout double precision, is_join boolean, map text,
    generation integer, extras text
)
language plpgsql security definer
as $$
begin
    return query
        select a.*
          from advance(
                   p_pool, p_queues, p_limits, p_token, p_input_bytes,
                   p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays, p_memory
               ) as a;
    perform write_records_of_living(
        p_record_ids, p_record_tokens, p_attempts, p_record_kinds, p_keys, p_numbers, p_ages, p_values
    );
end $$;
