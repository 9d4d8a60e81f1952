-- Settle outcomes, and write what their attempts leave, in one transaction.
--
-- See settle for the first six parameters and the answer, write_records for the others.
-- Locks: workflows, then entries, then what write_records does.
create or replace function settle_with_records(
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_details text[], p_traces text[], p_delays double precision[],
    p_record_ids bigint[], p_record_tokens uuid[], p_attempts integer[], p_record_kinds text[], p_keys text[],
    p_numbers integer[], p_ages double precision[], p_values text[],
    out accepted boolean[], out failures text
)
language plpgsql security definer
as $$
begin
    select s.accepted, s.failures
      into accepted, failures
      from settle(p_ids, p_tokens, p_kinds, p_details, p_traces, p_delays) as s;
    perform write_records_of_living(
        p_record_ids, p_record_tokens, p_attempts, p_record_kinds, p_keys, p_numbers, p_ages, p_values
    );
end $$;
