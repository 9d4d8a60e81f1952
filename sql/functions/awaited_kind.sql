-- The type that a step expects of its signal, as the library wrote it; null if any JSON will do, or
-- if it waits for none.
create or replace function awaited_kind(p_workflow_id text, p_step text) returns text
language sql stable
as $$
    select s.awaits ->> 'kind'
      from workflows w
      join signals g on g.workflow = any(array[w.key]) and g.name = p_step
      join steps s on s.id = any(array[g.step_id])
     where w.id = p_workflow_id
$$;
