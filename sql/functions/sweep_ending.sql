-- Cancel the ordinary steps of a workflow that is being ended, or of its groups that are (see `ending` in workflows and steps): what
-- wrote `ending` did so in a transaction that must not take long. Skips a workflow that somebody holds; upkeep comes again.
-- Returns how many workflows were swept.
-- Locks: the workflow, then its entries by step.
create or replace function sweep_ending(p_limit integer) returns integer
language plpgsql security definer
as $$
declare
    keys    bigint[];
    flow    record;
    moment  timestamptz;
    ids     bigint[];
    groups  bigint[];
    why     text;
    applied record;
begin
    perform require_read_committed();
    keys := array(
        select w.key from workflows w where w.unswept order by w.key limit p_limit for no key update skip locked
    );
    for flow in select w.key, w.ending, w.finished_at from workflows w where w.key = any(keys) order by w.key loop
        update workflows w set unswept = false where w.key = flow.key;
        continue when flow.finished_at is not null;
        if flow.ending is not null then
            ids := array(
                select s.id from steps s
                 where s.id >= step_of(flow.key, 0) and s.id < step_of(flow.key + 1, 0)
                   and s.finished_at is null and not s.is_closing
            );
        else
            ids := array(
                select s.id from steps s
                 where s.id = any(with_descendants(array(
                           select g.id from steps g
                            where g.id >= step_of(flow.key, 0) and g.id < step_of(flow.key + 1, 0)
                              and g.finished_at is null and g.ending is not null
                       )))
                   and s.finished_at is null and not s.is_closing and s.ending is null
            );
        end if;
        groups := groups_that_close(flow.key, ids);
        if flow.ending is null then
            -- A group that is being ended is judged when its children are final.
            groups := groups || array(select s.id from steps s where s.id = any(ids) and s.first_child is not null);
        end if;
        ids := array(select i.id from unnest(ids) as i(id) where i.id <> all(groups));
        perform end_entries(ids);
        moment := clock_timestamp();
        why := coalesce(flow.ending ->> 'reason', 'its group is being ended');
        update steps s
           set state = 'cancelled', pending = 0, reason = left(why, 2000), finished_at = moment
         where s.id = any(ids);
        update steps s
           set ending = json_build_object('state', 'cancelled', 'reason', why)
         where s.id = any(groups) and s.ending is null;
        applied := apply_consequences(ids, moment, false);
        perform notify_queues(applied.queues, applied.counts);
    end loop;
    return cardinality(keys);
end $$;
