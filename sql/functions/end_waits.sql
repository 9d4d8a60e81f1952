-- End the steps for which what they await has come, or whose time is up, up to about p_limit of
-- them.
--
-- A workflow that somebody else has locked is left for the next call, and so is a step whose signal
-- is being sent just now. If the consequences of one cannot be written, the workflows are treated
-- one by one, and that one is passed over.
-- ended: how many steps. next_in: seconds until the next wait ends; 0 if one is ripe, or if another
--   transaction holds what it needs; null if none has a time.
-- has_runs: steps have begun to wait for other workflows, which are to be looked for (see
-- watch_runs).
-- passed_over, errors: parallel; the workflows that were passed over, in words, and why.
-- Locks: workflows, without waiting for any; then their entries by step; then signals, without
-- waiting.
create or replace function end_waits(
    p_limit integer,
    out ended integer, out next_in double precision, out has_runs boolean, out passed_over text[], out errors text[]
)
language plpgsql security definer
as $$
declare
    flow   bigint;
    failed bigint[] := '{}';
    keys   bigint[];
begin
    perform require_read_committed();
    keys := array(
        select w.key
          from workflows w
         where w.key = any(ripe_workflows(p_limit))
         order by w.key
           for no key update skip locked
    );
    ended := 0;
    begin
        ended := apply_ripe_waits(keys, p_limit);
    exception
        when insufficient_resources or operator_intervention or system_error or transaction_rollback then
            raise;
        when others then
            foreach flow in array keys loop
                begin
                    ended := ended + apply_ripe_waits(array[flow], p_limit);
                exception
                    when insufficient_resources or operator_intervention or system_error or transaction_rollback then
                        raise;
                    when others then
                        failed := failed || flow;
                        passed_over := passed_over || format('workflow ''%s''', (select w.id from workflows w where w.key = flow));
                        errors := errors || format('%s (%s)', sqlerrm, sqlstate);
                end;
                exit when ended >= p_limit;
            end loop;
    end;
    has_runs := exists (select from awaited_runs a where a.is_new);
    next_in := case when ended >= p_limit then 0 else next_wait_in(failed) end;
end $$;
