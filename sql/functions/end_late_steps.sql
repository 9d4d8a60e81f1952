-- Discard the steps that have passed their deadline, or that of their first start without having
-- started, with all consequences. Those that are final, or that a retry made wait again, are left
-- as they are, and so are groups.
--
-- scheduled, available, executing, retryable -> discarded
-- queues, counts: parallel; how many entries became available in each queue.
-- Locks: the entries by step; the caller holds the lock of their workflow.
create or replace function end_late_steps(p_unended bigint[], p_unstarted bigint[], out queues text[], out counts integer[])
language plpgsql
as $$
declare
    late    bigint[];
    moment  timestamptz;
    applied record;
begin
    -- Locked first: a claim that commits meanwhile has started the step.
    perform 1 from queue q where q.step_id = any(p_unended || p_unstarted) order by q.step_id for update;
    late := array(
        select q.step_id
          from queue q
          join steps s on s.id = any(array[q.step_id])
         where q.step_id = any(p_unended || p_unstarted)
           and not q.is_join
           -- A pool that did not know its worker has not started it.
           and (q.step_id = any(p_unended) or q.state <> 'executing' and (q.attempted_at is null or not s.began))
    );
    if cardinality(late) = 0 then
        return;
    end if;
    perform end_entries(late);
    moment := clock_timestamp();
    update steps s
       set state = 'discarded',
           reason = d.why,
           errors = s.errors[greatest(1, coalesce(cardinality(s.errors), 0) - 48):]
                    || json_build_object('attempt', s.attempt, 'at', moment, 'kind', 'deadline', 'error', d.why, 'trace', null),
           finished_at = moment
      from (
          select e.id,
                 case
                     when e.id = any(p_unended) then format('it did not end within its deadline of %s s', e.deadline)
                     else format('it did not start within %s s', e.start_within)
                 end as why
            from steps e
           where e.id = any(late)
      ) as d
     where s.id = any(array[d.id]);
    applied := apply_consequences(late, moment, false);
    queues := applied.queues;
    counts := applied.counts;
end $$;
