-- Cancel the ordinary steps of a scope that is being ended (see end_scope), with all consequences.
-- Those of a group that has what it needs are marked as not needed, and undone if they had begun.
--
-- suspended, scheduled, available, executing, retryable -> cancelled
-- A group in it whose closing steps are not final is being ended itself.
-- queues, counts: parallel; how many entries became available in each queue.
-- Locks: the entries by step; the caller holds the lock of the workflow.
create or replace function sweep_scope(p_key bigint, p_group bigint, out queues text[], out counts integer[])
language plpgsql
as $$
declare
    scope   record;
    why     text;
    ids     bigint[];
    groups  bigint[];
    moment  timestamptz;
    undos   bigint[];
    applied record;
begin
    if p_group is null then
        select w.ending, w.has_closing, false as is_closing, 'the workflow was ended: ' as what
          into scope
          from workflows w
         where w.key = p_key and w.finished_at is null;
        ids := array(
            select s.id
              from steps s
             where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
               and s.finished_at is null
               and not s.is_closing
        );
    else
        select g.ending, w.has_closing, g.is_closing, format('step ''%s'' was ended: ', g.name) as what
          into scope
          from steps g
          join workflows w on w.key = p_key
         where g.id = p_group and g.finished_at is null;
        ids := array(
            select s.id
              from steps s
             where s.id = any(with_descendants(array[p_group]))
               and s.id <> p_group
               and s.finished_at is null
               and (not s.is_closing or scope.is_closing and s.role is null)
        );
    end if;
    if scope.ending is null then
        return;
    end if;
    why := left(
        case
            when scope.ending ->> 'state' = 'completed' then 'no longer needed: '
            else scope.what
        end || (scope.ending ->> 'reason'),
        2000
    );
    if scope.has_closing then
        groups := groups_that_close(p_key, ids);
        ids := array(select i.id from unnest(ids) as i(id) where i.id <> all(groups));
        update steps s
           set ending = json_build_object('state', 'cancelled', 'reason', why)
         where s.id = any(groups)
           and s.ending is null;
    end if;
    if cardinality(ids) = 0 then
        return;
    end if;
    perform end_entries(ids);
    -- After the entries are locked: they may be claimed until then, and no step may end before it
    -- was claimed.
    moment := clock_timestamp();
    update steps s
       set state = 'cancelled',
           pending = 0,
           not_needed = scope.ending ->> 'state' = 'completed',
           reason = why,
           finished_at = moment
     where s.id = any(ids);
    if scope.ending ->> 'state' = 'completed' then
        undos := undo_unneeded(ids, moment);
    end if;
    applied := apply_consequences(ids, moment, false);
    queues := applied.queues;
    counts := applied.counts;
    if cardinality(undos) > 0 then
        applied := release(undos, moment);
        queues := queues || applied.queues;
        counts := counts || applied.counts;
    end if;
end $$;
