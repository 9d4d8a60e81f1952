-- Insert a workflow, or a part of one: may be called repeatedly in one transaction, each call with the next steps, the last
-- with p_is_last, which releases the steps that wait for nothing. Seen by nobody before the commit.
--
-- p_key: null in the first call, then what that call returned.
-- p_total: steps of the whole workflow. p_first: ordinal of the first step of this call.
-- p_names …: parallel, one element a step. Dependencies, dependents and inputs are array literals of ordinals; inputs may be null.
-- is_inserted: false if the id exists already; then nothing is written, and key and fingerprint are those of the one that exists.
create or replace function insert_workflow(
    p_key bigint, p_id text, p_name text, p_fingerprint text, p_debug boolean, p_meta text,
    p_total integer, p_first integer, p_is_last boolean,
    p_names text[], p_workers text[], p_args text[], p_arg_refs text[],
    p_queues text[], p_priorities smallint[], p_max_attempts integer[], p_timeouts double precision[],
    p_scheduled_at timestamptz[], p_schedule_in double precision[],
    p_ignore_cancelled boolean[], p_ignore_discarded boolean[], p_ignore_skipped boolean[],
    p_dependencies text[], p_dependents text[], p_inputs text[],
    out key bigint, out is_inserted boolean, out fingerprint text
)
language plpgsql security definer
set search_path from current
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    released record;
begin
    key := p_key;
    is_inserted := true;
    fingerprint := p_fingerprint;
    while key is null loop
        insert into workflows as w (id, name, fingerprint, debug, meta, total, remaining)
        values (p_id, p_name, p_fingerprint, p_debug, p_meta::json, p_total, p_total)
            on conflict (id) do nothing
        returning w.key into key;
        if key is null then
            -- Share lock, so that a prune cannot take it away under whoever is told that it exists.
            select w.key, false, w.fingerprint
              into key, is_inserted, fingerprint
              from workflows w
             where w.id = p_id
               for key share;
            if key is not null then
                return;
            end if;
            is_inserted := true;
            fingerprint := p_fingerprint;
        end if;
    end loop;

    insert into steps (
        id, name, worker, args, arg_refs, queue, priority, max_attempts, timeout, scheduled_at, schedule_in,
        ignore_cancelled, ignore_discarded, ignore_skipped, dependencies, dependents, inputs, pending, state
    )
    select step_of(key, (p_first + n.n - 1)::integer), n.name, n.worker, n.args::json, n.arg_refs::json, n.queue, n.priority,
           n.max_attempts, n.timeout, n.scheduled_at, n.schedule_in,
           n.ignore_cancelled, n.ignore_discarded, n.ignore_skipped, n.dependencies::integer[], n.dependents::integer[],
           n.inputs::integer[], cardinality(n.dependencies::integer[]),
           case when n.dependencies = '{}' then 'queued' else 'suspended' end
      from unnest(
               p_names, p_workers, p_args, p_arg_refs, p_queues, p_priorities, p_max_attempts, p_timeouts,
               p_scheduled_at, p_schedule_in, p_ignore_cancelled, p_ignore_discarded, p_ignore_skipped,
               p_dependencies, p_dependents, p_inputs
           ) with ordinality as n(
               name, worker, args, arg_refs, queue, priority, max_attempts, timeout,
               scheduled_at, schedule_in, ignore_cancelled, ignore_discarded, ignore_skipped,
               dependencies, dependents, inputs, n
           );

    if p_is_last then
        select r.queues, r.counts
          into released
          from release(
                   array(select s.id from steps s where s.id >= step_of(key, 0) and s.id < step_of(key + 1, 0) and s.pending = 0),
                   clock_timestamp()
               ) as r;
        perform announce(released.queues, released.counts);
    end if;
end $$;
