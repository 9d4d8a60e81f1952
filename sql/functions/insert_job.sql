-- Insert a single job of the most frequent kind, of which nothing is given but what is below: what
-- insert_workflow does, in half the time.
--
-- p_id, p_fingerprint: of the workflow. p_step …: the columns of its one step.
-- is_inserted: false if the id exists already. Then nothing is written, and key and fingerprint are
--   those of the workflow that exists.
-- Locks: the workflow that exists, for key share.
create or replace function insert_job(
    p_id text, p_fingerprint text,
    p_step text, p_args text, p_worker text, p_queue text, p_priority smallint, p_max_attempts integer,
    p_timeout double precision, p_takes_context boolean,
    out key bigint, out is_inserted boolean, out fingerprint text
)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
    moment timestamptz;
begin
    fingerprint := p_fingerprint;
    loop
        insert into workflows as w (id, fingerprint, total, remaining)
        values (p_id, p_fingerprint, 1, 1)
            on conflict (id) do nothing
        returning w.key into key;
        is_inserted := key is not null;
        exit when is_inserted;
        -- Share lock, so that it cannot be pruned before the caller commits.
        select w.key, w.fingerprint
          into key, fingerprint
          from workflows w
         where w.id = p_id
           for key share;
        if key is not null then
            return;
        end if;
        fingerprint := p_fingerprint;
    end loop;

    insert into steps (
        id, name, args, worker, queue, priority, max_attempts, timeout, takes_context,
        ignore_cancelled, ignore_discarded, ignore_skipped, dependencies, dependents, pending, state
    )
    values (
        step_of(key, 0), p_step, p_args::json, p_worker, p_queue, p_priority, p_max_attempts, p_timeout, p_takes_context,
        false, false, false, '{}', '{}', 0, 'queued'
    );
    moment := clock_timestamp();
    if exists (select from queue_settings s where s.queue = p_queue and s.has_limits) then
        -- What its lane is, one place knows.
        perform release(array[step_of(key, 0)], moment);
    else
        insert into queue (step_id, priority, queue, scheduled_at, position, state)
        values (step_of(key, 0), p_priority, p_queue, moment, moment, 'available');
    end if;
    perform notify_queues(array[p_queue], array[1]);
end $$;
