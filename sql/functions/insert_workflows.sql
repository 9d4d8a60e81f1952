-- Insert many small workflows, each whole, as insert_workflow does.
--
-- p_ids …: parallel, with one element a workflow; the ids are distinct.
-- p_flows: for each step the number of its workflow in these, from 1. p_ordinals: its ordinal
--   there.
-- p_names …: parallel to them; see write_steps. A column of nothing but nulls may be empty.
-- taken, fingerprints: the ids that exist already, of which nothing is written, and the
--   fingerprints of what exists.
-- held, holders: the ids of which nothing is written because another run holds the key, and the ids
--   of those runs.
-- Locks: as take_keys; then the workflows that exist, for key share, in the order of their ids.
create or replace function insert_workflows(
    p_ids text[], p_workflow_names text[], p_fingerprints text[], p_debug text[], p_meta text[], p_scopes text[],
    p_totals integer[], p_returns integer[], p_flows integer[], p_ordinals integer[],
    p_names text[], p_args text[], p_arg_refs text[], p_dependencies text[], p_dependents text[], p_inputs text[],
    p_parents integer[], p_extras text[], p_term_numbers integer[], p_terms text,
    out taken text[], out fingerprints text[], out held text[], out holders text[]
)
language plpgsql security definer
as $$
declare
    sequence regclass := pg_get_serial_sequence('workflows', 'key');
    keys     bigint[];
    found    bigint[];
    ids      bigint[];
    -- The workflows that are to be written: all but those whose key another run holds.
    wanted   bigint[];
    holder   text[];
    has_keys boolean := exists (select from unnest(p_scopes) as n(scope) where n.scope::json -> 'key' is not null);
    written  integer;
    ready    record;
    released record;
begin
    -- Keys are drawn first, so that it is known which workflow has which.
    keys := array(select nextval(sequence) from generate_series(1, cardinality(p_ids)));
    wanted := keys;
    if has_keys then
        holder := take_keys(p_ids, p_scopes, keys);
        select array_agg(n.id) filter (where n.holder is not null), array_agg(n.holder) filter (where n.holder is not null),
               array_agg(case when n.holder is null then n.key end order by n.n)
          into held, holders, wanted
          from unnest(p_ids, holder, keys) with ordinality as n(id, holder, key, n);
    end if;
    -- In the order of the ids, here and below, as others may insert the same ones at the same time.
    begin
        -- Nearly always all are new, and `on conflict` would double what the rows cost.
        insert into workflows as w (
            key, id, name, fingerprint, debug, meta, total, remaining, returns, fails_fast, may_fail_fast, deadline,
            run_key, key_for, tags
        )
        overriding system value
        select n.key, n.id, n.name, n.fingerprint, n.debug, n.meta::json, n.total, n.total, n.returns,
               coalesce((n.scope::json ->> 'fails_fast')::boolean, false), coalesce((n.scope::json ->> 'fails_fast')::boolean, false),
               (n.scope::json ->> 'deadline')::double precision,
               n.scope::json #>> '{key,key}', (n.scope::json #>> '{key,seconds}')::double precision, n.scope::json -> 'tags'
          from unnest(wanted, p_ids, p_workflow_names, p_fingerprints, p_debug, p_meta, p_scopes, p_totals, p_returns)
               as n(key, id, name, fingerprint, debug, meta, scope, total, returns)
         where n.key is not null
         order by n.id;
    exception when unique_violation then
        -- Again only for a workflow that exists when it is to be inserted and is pruned before it
        -- is read.
        loop
            insert into workflows as w (
            key, id, name, fingerprint, debug, meta, total, remaining, returns, fails_fast, may_fail_fast, deadline,
            run_key, key_for, tags
        )
            overriding system value
            select n.key, n.id, n.name, n.fingerprint, n.debug, n.meta::json, n.total, n.total, n.returns,
               coalesce((n.scope::json ->> 'fails_fast')::boolean, false), coalesce((n.scope::json ->> 'fails_fast')::boolean, false),
               (n.scope::json ->> 'deadline')::double precision,
               n.scope::json #>> '{key,key}', (n.scope::json #>> '{key,seconds}')::double precision, n.scope::json -> 'tags'
              from unnest(wanted, p_ids, p_workflow_names, p_fingerprints, p_debug, p_meta, p_scopes, p_totals, p_returns)
                   as n(key, id, name, fingerprint, debug, meta, scope, total, returns)
             where n.key is not null
               and not exists (select from workflows e where e.id = any(array[n.id]))
             order by n.id
                on conflict (id) do nothing;
            get diagnostics written = row_count;
            exit when written = cardinality(array_remove(wanted, null));
            -- Share lock, so that they cannot be pruned before the caller commits.
            perform 1 from workflows w where w.id = any(p_ids) order by w.id for key share;
            select array_agg(w.id) filter (where w.key <> n.key),
                   array_agg(w.fingerprint) filter (where w.key <> n.key),
                   array_agg(case when w.key = n.key then n.key end order by n.n)
              into taken, fingerprints, found
              from unnest(p_ids, wanted) with ordinality as n(id, key, n)
              left join workflows w on w.id = any(array[n.id])
             where n.key is null or w.key is not null;
            if cardinality(found) = cardinality(p_ids) then
                if has_keys then
                    perform give_up_keys(p_scopes, array(select n.key from unnest(wanted, found) as n(key, found) where n.found is null));
                end if;
                wanted := found;
                exit;
            end if;
        end loop;
    end;
    keys := wanted;

    ids := array(
        select step_of(keys[n.flow], n.ordinal)
          from unnest(p_flows, p_ordinals) with ordinality as n(flow, ordinal, n)
         order by n.n
    );
    perform write_steps(
        ids, 0, '', null,
        p_names, p_args, p_arg_refs, p_dependencies, p_dependents, p_inputs, p_parents, p_extras, p_term_numbers, p_terms
    );
    select coalesce(
               array_agg(n.id) filter (
                   where n.extras is null or (n.extras::json -> 'awaits' is null and n.extras::json -> 'role' is null)
               ), '{}'
           ) as ids,
           array_agg(n.id) filter (where n.extras::json -> 'awaits' is not null) as awaiting,
           array_agg(n.id) filter (where n.extras::json -> 'role' is not null) as gates
      into ready
      from unnest(ids, p_dependencies, p_extras) as n(id, dependencies, extras)
     where coalesce(n.dependencies, '{}') = '{}'
       and (n.extras is null or n.extras::json #>> '{kind,children}' is null)
       and n.id is not null;
    select r.queues, r.counts into released from release(ready.ids, clock_timestamp()) as r;
    perform notify_queues(released.queues, released.counts);
    if ready.awaiting is not null then
        -- Nothing can have come yet, so none of them ends.
        perform begin_waits(ready.awaiting, clock_timestamp());
    end if;
    if ready.gates is not null then
        perform open_gates(ready.gates, clock_timestamp());
    end if;
    if cardinality(p_scopes) > 0 then
        perform name_models(keys, p_scopes, '');
        perform begin_run_deadlines(keys, clock_timestamp());
        perform write_tags(keys);
        perform reuse_results(n.key, n.scope::json ->> 'reusing')
           from unnest(keys, p_scopes) as n(key, scope)
          where n.key is not null
            and n.scope::json -> 'reusing' is not null
          order by n.key;
    end if;
end $$;
