-- End what has passed its deadline, and cancel the steps of scopes that are being ended, up to
-- p_limit of them.
--
--   a step                       suspended, scheduled, available, executing, retryable -> discarded
--   a group with children        is ended as discarded (see end_scope)
--   a workflow                   is ended as failed (see end_scope)
--   a scope that is being ended  its ordinary steps are cancelled (see sweep_scope)
--
-- It does not matter what the step is doing, nor whether its queue is paused. A workflow that
-- somebody else has locked is left for the next call. A workflow that cannot be written is passed
-- over.
-- ended: how many.
-- next_in: seconds until the next deadline; 0 if one is due, which this call did not reach or
--   somebody else has locked; null if there is none.
-- passed_over, errors: parallel; the workflows that were passed over, in words, and why.
-- Locks: workflows, without waiting for any; then the entries of each by step.
create or replace function end_overdue(
    p_limit integer, out ended integer, out next_in double precision, out passed_over text[], out errors text[]
)
language plpgsql security definer
as $$
declare
    flow   record;
    failed bigint[] := '{}';
begin
    perform require_read_committed();
    ended := 0;
    for flow in
        select w.key, w.id
          from workflows w
         where w.key = any(array(
                   select distinct workflow_of(d.step_id)
                     from (
                         select o.step_id from deadlines o where o.due_at <= clock_timestamp() order by o.due_at limit p_limit
                     ) as d
               ))
         order by w.key
           for no key update skip locked
    loop
        begin
            ended := ended + end_overdue_of(flow.key, p_limit);
        exception
            when insufficient_resources or operator_intervention or system_error or transaction_rollback then
                raise;
            when others then
                failed := failed || flow.key;
                passed_over := passed_over || format('workflow ''%s''', flow.id);
                errors := errors || format('%s (%s)', sqlerrm, sqlstate);
        end;
    end loop;
    next_in := next_deadline_in(failed);
end $$;
