-- What a pool must know to run one claimed step, as claimed_steps returns it.
--
-- If its results cannot be put together, `results` has '!' and a sentence that says why.
create or replace function claimed_step(p_id bigint, p_attempt integer, p_is_join boolean, p_input_bytes bigint)
returns table (
    step_id bigint, workflow_id text, workflow_name text, name text, queue text, worker text, args text, arg_refs text,
    results text, outcomes text, attempt integer, max_attempts integer, timeout double precision, is_join boolean, map text,
    generation integer, extras text
)
language plpgsql stable
as $$
#variable_conflict use_column
declare
    found record;
begin
    begin
        select d.* into found from claimed_steps(array[p_id], array[p_attempt], array[p_is_join], p_input_bytes) as d;
    exception
        when insufficient_resources or operator_intervention or system_error or transaction_rollback then
            raise;
        when others then
            return query
                select s.id, w.id, w.name, s.name, s.queue::text, s.worker, '{}', null,
                       format('!the results that it reads cannot be put together: %s (%s)', sqlerrm, sqlstate),
                       null, p_attempt, s.max_attempts, s.timeout, p_is_join, null, s.generation, null
                  from steps s
                  join workflows w on w.key = workflow_of(s.id)
                 where s.id = p_id;
            return;
    end;
    return query
        select found.step_id, found.workflow_id, found.workflow_name, found.name, found.queue, found.worker, found.args,
               found.arg_refs, found.results, found.outcomes, found.attempt, found.max_attempts, found.timeout, found.is_join,
               found.map, found.generation, found.extras;
end $$;
