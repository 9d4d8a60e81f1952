-- Insert a workflow that Baton.to_json or Job.to_json wrote, after checking it as Python does: for
-- every driver and language that can call a function. docs/workflow.schema.json describes the text.
-- It commits or rolls back with the caller's transaction, and nobody else sees it before.
--
-- p_workflow: text and not json, because drivers send a string as one of several types, and all are
--   cast to text.
-- p_raise: false returns is_same false where an error would be raised.
-- is_new: false if the id exists already, with the same graph, or another run holds the key; then
--   nothing is written. id: that of the run that holds the key, if one does.
-- Locks: as insert_workflow.
create or replace function insert_workflow_json(
    p_workflow text, p_raise boolean default true,
    out key bigint, out id text, out is_new boolean, out is_same boolean
)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
    document record;
    columns  record;
    total    integer;
    inserted record;
begin
    select d.format, d.id, d.name, d.fingerprint, d.debug, d.meta, d.scope, d.returns, d.steps
      into document
      from json_to_record(case json_typeof(p_workflow::json) when 'object' then p_workflow::json else '{}' end) as d(
               format integer, id text, name text, fingerprint text, debug text, meta json, scope text,
               returns integer, steps json
           );
    if document.format is distinct from 2
       or document.id is null
       or json_typeof(document.steps) is distinct from 'array'
       or json_array_length(document.steps) = 0 then
        raise exception 'this is not a workflow that this version of the schema can read'
              using errcode = 'invalid_parameter_value',
                    hint = 'Write it with Baton.to_json() or Job.to_json() of a library that is not newer than the schema.';
    end if;
    perform check_keys(p_workflow::json, '{format,id,name,fingerprint,debug,meta,scope,returns,steps}', 'a workflow');
    perform check_keys(
        document.steps,
        terms_keys() || '{name,args,references,dependencies,dependents,inputs,parent,extras}',
        'a step'
    );

    -- The fields of a step's terms are in the step itself: the list of steps is the list of terms.
    total := json_array_length(document.steps);
    select array_agg(s.name order by s.number) as names,
           array_agg(text_of_json(s.args) order by s.number) as args,
           array_agg(text_of_json(s."references") order by s.number) as arg_refs,
           array_agg(translate(s.dependencies, '[]', '{}')::integer[]::text order by s.number) as dependencies,
           array_agg(translate(s.dependents, '[]', '{}')::integer[]::text order by s.number) as dependents,
           array_agg(translate(s.inputs, '[]', '{}')::integer[]::text order by s.number) as inputs,
           array_agg(s.parent order by s.number) as parents,
           array_agg(s.extras order by s.number) as extras,
           array_agg(s.number order by s.number) as numbers
      into columns
      from json_to_recordset(document.steps) as s(
               number integer, name text, args json, "references" json, dependencies text, dependents text,
               inputs text, parent integer, extras text
           );
    if columns.numbers is distinct from array(select n from generate_series(0, total - 1) as n) then
        perform refuse('the steps are not numbered from 0 on');
    end if;
    perform check_workflows(
        array[document.id], array[document.name], array[document.fingerprint], array[text_of_json(document.meta)],
        array[document.scope], array[total], array[document.returns],
        columns.names, columns.args, columns.arg_refs, columns.dependencies, columns.dependents, columns.inputs,
        columns.parents, columns.extras, columns.numbers, document.steps::text
    );
    select i.key, i.is_inserted, i.fingerprint, i.holder
      into inserted
      from insert_workflow(
               null, document.id, document.name, document.fingerprint, case document.debug when 'true' then 'all' when 'false' then null else document.debug end,
               text_of_json(document.meta), document.scope, total, document.returns, 0, true,
               columns.names, columns.args, columns.arg_refs, columns.dependencies, columns.dependents, columns.inputs,
               columns.parents, columns.extras, columns.numbers, document.steps::text
           ) as i;

    if inserted.holder is not null then
        is_new := false;
        is_same := document.scope::json #>> '{key,if_running}' is distinct from 'refuse';
        select w.key, w.id into key, id from workflows w where w.id = inserted.holder;
        if p_raise and not is_same then
            raise exception 'key % is held by workflow %', quote_literal(document.scope::json #>> '{key,key}'), quote_literal(id)
                  using errcode = 'unique_violation', hint = 'Wait for the end of that workflow, or insert with if_running=''return''.';
        end if;
        return;
    end if;
    key := inserted.key;
    id := document.id;
    is_new := inserted.is_inserted;
    is_same := inserted.fingerprint = document.fingerprint;
    if p_raise and not is_same then
        raise exception 'workflow % exists already with another graph', quote_literal(document.id)
              using errcode = 'unique_violation', hint = 'Insert this one under another workflow_id.';
    end if;
end $$;
