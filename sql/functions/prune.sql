-- Delete whole workflows that finished more than p_keep seconds ago, up to p_limit steps, but at
-- least one workflow.
--
-- Reads workflows by key, p_limit at a time and 20 times a call, from where the last call stopped.
-- It begins again when it meets workflows that were inserted less than p_keep seconds ago. One pool
-- prunes at a time; other pools have nothing to do. It passes by workflows that another transaction
-- holds, to retry them or to repeat an insert, and those that cannot be deleted. A run whose key
-- stays taken after its end is kept as long.
-- p_keep_usage: for how many seconds calls of language models are kept, if that is longer than their
--   workflow; null deletes them with it.
-- pruned: how many workflows. is_more: the next call goes on where this one stopped.
-- passed_over, errors: parallel; the workflows that could not be deleted, in words, and why.
-- Locks: the row of upkeep, then workflows, then the keys they took, without waiting for any.
create or replace function prune(
    p_keep double precision, p_limit integer, p_keep_usage double precision default null,
    out pruned integer, out is_more boolean, out passed_over text[], out errors text[]
)
language plpgsql security definer
as $$
declare
    -- At most three hundred years: an interval cannot hold every longer time.
    horizon timestamptz := clock_timestamp() - interval '1 second' * least(p_keep, 1e10);
    room    integer := p_limit;
    came_to bigint;
    piece   record;
    gone    bigint[];
    flow    record;
begin
    perform require_read_committed();
    pruned := 0;
    is_more := false;
    select u.pruned_to into came_to from upkeep u for no key update skip locked;
    if not found then
        return;
    end if;
    for n in 1 .. 20 loop
        with met as materialized (
            select w.key, w.total, w.inserted_at,
                   coalesce(w.finished_at < horizon, false) and (w.key_for is null or not holds_key(w)) as is_old
              from workflows w
             where w.key > came_to
             order by w.key
             limit p_limit
        ), summed as (
            select m.key, m.is_old, m.inserted_at,
                   sum(m.total) filter (where m.is_old) over (order by m.key) <= room as fits,
                   count(*) filter (where m.is_old) over (order by m.key) + pruned = 1 as is_first
              from met m
        )
        select array_agg(s.key order by s.key) filter (where s.is_old and (s.fits or s.is_first)) as old,
               bool_or(s.is_old and not (s.fits or s.is_first)) as is_full,
               (array_agg(s.key order by s.key desc))[1] as last,
               count(*) < p_limit or (array_agg(s.inserted_at order by s.key desc))[1] > horizon as is_end
          into piece
          from summed s;

        gone := free_to_delete(array(
            select w.key
              from workflows w
             where w.key = any(piece.old)
               and w.finished_at < horizon
             order by w.key
               for update skip locked
        ));
        begin
            room := room - delete_workflows(gone, p_keep_usage);
            pruned := pruned + cardinality(gone);
        exception
            when insufficient_resources or operator_intervention or system_error or transaction_rollback then
                raise;
            when others then
                for flow in
                    select w.key, w.id from workflows w where w.key = any(gone) order by w.key
                loop
                    begin
                        room := room - delete_workflows(array[flow.key], p_keep_usage);
                        pruned := pruned + 1;
                    exception
                        when insufficient_resources or operator_intervention or system_error or transaction_rollback then
                            raise;
                        when others then
                            passed_over := passed_over || format('workflow ''%s''', flow.id);
                            errors := errors || format('%s (%s)', sqlerrm, sqlstate);
                    end;
                end loop;
        end;

        came_to := case
                       when piece.is_full then coalesce(piece.old[cardinality(piece.old)], came_to)
                       when piece.is_end then 0
                       else piece.last
                   end;
        is_more := came_to > 0;
        exit when piece.is_full or piece.is_end or room <= 0;
    end loop;
    if p_keep_usage is not null then
        -- What was kept of workflows that are gone, and is old enough now.
        delete from model_calls c
         where (c.step_id, c.token, c.number) in (
                   select o.step_id, o.token, o.number
                     from model_calls o
                    where o.at < clock_timestamp() - interval '1 second' * least(p_keep_usage, 1e10)
                      and not exists (select from workflows w where w.key = workflow_of(o.step_id))
                    order by o.at
                    limit p_limit
               );
    end if;
    -- Rates of lanes that are earned again say nothing. One that a claim uses now is passed over.
    delete from lane_rates r
     where (r.queue, r.lane) in (
               select l.queue, l.lane
                 from lane_rates l
                where l.spent < clock_timestamp() - interval '1 minute'
                limit p_limit
                  for update skip locked
           );
    -- What was changed in queues and schedules belongs to no workflow.
    delete from interventions i where i.workflow is null and i.at < horizon;
    -- Shared budgets of periods that are over, a month being the longest.
    delete from budgets b
     where b.workflow is null
       and b.period <> ''
       and b.touched_at < least(horizon, clock_timestamp() - interval '32 days');
    update upkeep u set pruned_to = came_to where u.pruned_to <> came_to;
end $$;
