-- Insert a workflow, or a part of one. May be called repeatedly in one transaction, each call with
-- the next steps, the last one with p_is_last, which releases the steps that wait for nothing.
-- Nobody else sees any of it before the commit.
--
-- p_key: null in the first call, then what that call returned.
-- p_scope: what holds for it as a whole, as JSON: fails_fast, deadline in seconds, models, key (see
--   take_keys), tags, reusing (see reuse_results); null for nothing.
-- p_total: steps of the whole workflow. p_returns: ordinal of the step whose result is the
--   workflow's, or null.
-- p_first: ordinal of the first step of this call. p_names …: see write_steps.
-- is_inserted: false if the id exists already. Then nothing is written, and key and fingerprint are
--   those of the workflow that exists.
-- holder: the id of the run that holds its key, in whose place nothing is written; else null.
-- Locks: as take_keys; then the workflow that exists, for key share.
create or replace function insert_workflow(
    p_key bigint, p_id text, p_name text, p_fingerprint text, p_debug text, p_meta text, p_scope text,
    p_total integer, p_returns integer, p_first integer, p_is_last boolean,
    p_names text[], p_args text[], p_arg_refs text[], p_dependencies text[], p_dependents text[], p_inputs text[],
    p_parents integer[], p_extras text[], p_term_numbers integer[], p_terms text,
    out key bigint, out is_inserted boolean, out fingerprint text, out holder text
)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
    -- Drawn first if it takes a key, whose row names it.
    drawn    bigint;
    ready    record;
    released record;
begin
    key := p_key;
    is_inserted := true;
    fingerprint := p_fingerprint;
    if key is null and p_scope::json -> 'key' is not null then
        drawn := nextval(pg_get_serial_sequence('workflows', 'key'));
        holder := (take_keys(array[p_id], array[p_scope], array[drawn]))[1];
        if holder is not null then
            is_inserted := false;
            return;
        end if;
    end if;
    while key is null loop
        insert into workflows as w (
            key, id, name, fingerprint, debug, meta, total, remaining, returns, fails_fast, may_fail_fast, deadline,
            run_key, key_for, tags
        )
        overriding system value
        values (
            coalesce(drawn, nextval('workflows_key_seq')), p_id, p_name, p_fingerprint, p_debug, p_meta::json, p_total,
            p_total, p_returns,
            coalesce((p_scope::json ->> 'fails_fast')::boolean, false), coalesce((p_scope::json ->> 'fails_fast')::boolean, false),
            (p_scope::json ->> 'deadline')::double precision,
            p_scope::json #>> '{key,key}', (p_scope::json #>> '{key,seconds}')::double precision, p_scope::json -> 'tags'
        )
            on conflict (id) do nothing
        returning w.key into key;
        if key is null then
            -- Share lock, so that it cannot be pruned before the caller commits.
            select w.key, false, w.fingerprint
              into key, is_inserted, fingerprint
              from workflows w
             where w.id = p_id
               for key share;
            if key is not null then
                if drawn is not null then
                    perform give_up_keys(array[p_scope], array[drawn]);
                end if;
                return;
            end if;
            is_inserted := true;
            fingerprint := p_fingerprint;
        end if;
    end loop;

    perform write_steps(
        array(select step_of(key, p_first + n) from generate_series(0, cardinality(p_names) - 1) as n), 0, '', null,
        p_names, p_args, p_arg_refs, p_dependencies, p_dependents, p_inputs, p_parents, p_extras, p_term_numbers, p_terms
    );

    if p_is_last then
        select coalesce(array_agg(s.id) filter (where s.awaits is null and s.role is null), '{}') as ids,
               array_agg(s.id) filter (where s.awaits is not null) as awaiting,
               array_agg(s.id) filter (where s.role is not null) as gates
          into ready
          from steps s
         where s.id >= step_of(key, 0)
           and s.id < step_of(key + 1, 0)
           and s.pending = 0;
        select r.queues, r.counts into released from release(ready.ids, clock_timestamp()) as r;
        perform notify_queues(released.queues, released.counts);
        if ready.awaiting is not null then
            -- Nothing can have come yet, so none of them ends.
            perform begin_waits(ready.awaiting, clock_timestamp());
        end if;
        if ready.gates is not null then
            perform open_gates(ready.gates, clock_timestamp());
        end if;
        if p_scope is not null then
            perform name_models(array[key], array[p_scope], '');
            perform begin_run_deadlines(array[key], clock_timestamp());
            if p_scope::json -> 'tags' is not null then
                perform write_tags(array[key]);
            end if;
            if p_scope::json -> 'reusing' is not null then
                perform reuse_results(key, p_scope::json ->> 'reusing');
            end if;
        end if;
    end if;
end $$;
