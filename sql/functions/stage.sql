-- Make available what is due, up to p_limit entries, and wake the pools that serve its queues.
--
-- scheduled, retryable -> available, at the position of the time they were due. If an entry cannot
-- be changed, all are staged one by one, and that one is passed over.
-- staged: how many entries.
-- next_in: seconds until the next entry is due; 0 if it stopped at its limit, or if another
--   transaction holds an entry that is due; null if none waits for a time.
-- passed_over, errors: parallel; the steps that were passed over, in words, and why.
-- Locks: entries, without waiting for any.
create or replace function stage(
    p_limit integer, out staged integer, out next_in double precision, out passed_over text[], out errors text[]
)
language plpgsql security definer
as $$
declare
    entry  record;
    failed bigint[] := '{}';
    due    bigint[] := array(
        select q.step_id
          from queue q
         where q.state in ('scheduled', 'retryable')
           and q.scheduled_at <= clock_timestamp()
         order by q.scheduled_at
         limit p_limit
           for no key update skip locked
    );
begin
    perform require_read_committed();
    begin
        perform stage_entries(due);
        staged := cardinality(due);
    exception
        when insufficient_resources or operator_intervention or system_error or transaction_rollback then
            raise;
        when others then
            staged := 0;
            -- More than the limit are tried, so that entries that fail do not keep others from
            -- their turn.
            for entry in
                select q.step_id
                  from queue q
                 where q.state in ('scheduled', 'retryable')
                   and q.scheduled_at <= clock_timestamp()
                 order by q.scheduled_at
                 limit 10 * p_limit
                   for no key update skip locked
            loop
                begin
                    perform stage_entries(array[entry.step_id]);
                    staged := staged + 1;
                exception
                    when insufficient_resources or operator_intervention or system_error or transaction_rollback then
                        raise;
                    when others then
                        failed := failed || entry.step_id;
                        passed_over := passed_over || step_in_words(entry.step_id);
                        errors := errors || format('%s (%s)', sqlerrm, sqlstate);
                end;
                exit when staged >= p_limit;
            end loop;
    end;
    next_in := case when staged >= p_limit then 0 else next_due_in(failed) end;
end $$;
