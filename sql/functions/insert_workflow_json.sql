-- Insert a workflow that was written as one JSON text, by Baton.to_json or Job.to_json: for every driver and language that
-- can call a function. It commits or rolls back with the transaction of the caller, and is seen by nobody before.
--
-- p_workflow: text and not json, because drivers send a string as one of several types, which all are cast to text.
-- p_raise: false returns with is_same false where an error would be raised.
-- is_new: false if the id exists already, with the same graph; then nothing is written.
create or replace function insert_workflow_json(
    p_workflow text, p_raise boolean default true,
    out key bigint, out id text, out is_new boolean, out is_same boolean
)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
    written record;
    inserted record;
begin
    select w.format, w.id, w.name, w.fingerprint, w.debug, w.meta, w.returns, w.steps
      into written
      from json_to_record(p_workflow::json) as w(
               format integer, id text, name text, fingerprint text, debug boolean, meta text, returns integer,
               steps json
           );
    if written.format is distinct from 1 or written.id is null or coalesce(json_array_length(written.steps), 0) = 0 then
        raise exception 'this is no workflow that this version of the schema can read'
              using errcode = 'invalid_parameter_value',
                    hint = 'Write it with Baton.to_json() or Job.to_json() of a library that is not newer than the schema.';
    end if;

    select i.key, i.is_inserted, i.fingerprint
      into inserted
      from (
          select array_agg(s.name) as names, array_agg(s.args) as args, array_agg(s.arg_refs) as arg_refs,
                 array_agg(s.dependencies::text) as dependencies, array_agg(s.dependents::text) as dependents,
                 array_agg(nullif(s.inputs, '{}')::text) as inputs, array_agg(s.parent) as parents,
                 array_agg(s.grouping) as groupings, array_agg(s.n) as terms,
                 array_agg(s.worker) as workers, array_agg(s.queue) as queues, array_agg(s.priority) as priorities,
                 array_agg(s.max_attempts) as max_attempts, array_agg(s.timeout) as timeouts,
                 array_agg(s.scheduled_at) as scheduled_at, array_agg(s.schedule_in) as schedule_in,
                 array_agg(s.ignore_cancelled) as ignore_cancelled, array_agg(s.ignore_discarded) as ignore_discarded,
                 array_agg(s.ignore_skipped) as ignore_skipped, array_agg(s.takes_context) as takes_context
            from (
                select r.name, r.worker, r.args, r."references" as arg_refs, r.queue, r.priority, r.max_attempts,
                       r.timeout, r.scheduled_at, r.schedule_in, r.ignore_cancelled, r.ignore_discarded,
                       r.ignore_skipped, r.takes_context, r.dependencies, r.dependents, r.inputs, r.parent, r.grouping,
                       r.n::integer as n
                  from rows from (
                           json_to_recordset(written.steps) as (
                               name text, worker text, args text, "references" text, queue text, priority smallint,
                               max_attempts integer, timeout double precision, scheduled_at timestamptz,
                               schedule_in double precision, ignore_cancelled boolean, ignore_discarded boolean,
                               ignore_skipped boolean, takes_context boolean, dependencies integer[],
                               dependents integer[], inputs integer[], parent integer, "grouping" text
                           )
                       ) with ordinality as r(
                           name, worker, args, "references", queue, priority, max_attempts, timeout, scheduled_at,
                           schedule_in, ignore_cancelled, ignore_discarded, ignore_skipped, takes_context,
                           dependencies, dependents, inputs, parent, "grouping", n
                       )
                 order by r.n
            ) as s
      ) as c,
           insert_workflow(
               null, written.id, written.name, written.fingerprint, coalesce(written.debug, false), written.meta,
               json_array_length(written.steps), written.returns, 0, true,
               c.names, c.args, c.arg_refs, c.dependencies, c.dependents, c.inputs, c.parents, c.groupings,
               c.terms, c.workers, c.queues, c.priorities, c.max_attempts, c.timeouts, c.scheduled_at, c.schedule_in,
               c.ignore_cancelled, c.ignore_discarded, c.ignore_skipped, c.takes_context
           ) as i;

    key := inserted.key;
    id := written.id;
    is_new := inserted.is_inserted;
    is_same := inserted.fingerprint = written.fingerprint;
    if p_raise and not is_same then
        raise exception 'workflow % exists already with another graph', quote_literal(written.id)
              using errcode = 'unique_violation', hint = 'Insert this one under another workflow_id.';
    end if;
end $$;
