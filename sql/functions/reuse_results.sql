-- Complete steps of a workflow that is being inserted with the results that they have in another
-- one: see steps_to_reuse.
--
-- A map or a returned graph is one step with its result then; what it had made stays in the other
-- workflow. None of these steps counts as begun here, so no undo takes it back.
-- p_reused: the id of the other workflow. Raises no_data_found if there is none.
-- Locks: none; the caller has just inserted the workflow.
create or replace function reuse_results(p_key bigint, p_reused text) returns void
language plpgsql
as $$
declare
    moment  timestamptz := clock_timestamp();
    other   bigint;
    chosen  record;
    ended   bigint[];
    applied record;
begin
    select w.key into other from workflows w where w.id = p_reused and w.key <> p_key;
    if not found then
        raise exception 'there is no workflow % whose results could be reused', quote_literal(p_reused)
              using errcode = 'no_data_found', hint = 'It may have been pruned. Insert without reusing its results.';
    end if;
    chosen := steps_to_reuse(p_key, other);
    perform end_entries(chosen.ids);
    with updated as (
        -- suspended, queued -> completed, or skipped inside of a sub-workflow
        update steps s
           set state = o.state,
               pending = 0,
               result = case when o.state = 'completed' and s.first_child is null then group_result(o.id) end,
               reason = case when o.state = 'completed' then format('reused from workflow %s', p_reused) else o.reason end,
               began = false,
               finished_at = moment
          from unnest(chosen.ids, chosen.others) as f(id, other)
          join steps o on o.id = any(array[f.other])
         where s.id = any(array[f.id])
           and s.finished_at is null
     returning s.id
    )
    select coalesce(array_agg(u.id), '{}') into ended from updated u;
    if cardinality(ended) > 0 then
        applied := apply_consequences(ended, moment, false);
        perform notify_queues(applied.queues, applied.counts);
    end if;
    perform note_intervention(
        p_key, 'reuse', null, p_changed => cardinality(chosen.ids), p_options => json_build_object('run', p_reused)
    );
end $$;
