-- What a pool must know to run these claimed steps, in the given order. The results are those of the dependencies that
-- the step reads, as one JSON object by name; a dependency that failed and was ignored has no key in it.
create or replace function describe(p_ids bigint[])
returns table (
    step_id bigint, workflow_id text, workflow_name text, name text, queue text, worker text, args text, arg_refs text,
    results text, attempt integer, max_attempts integer, timeout double precision
)
language plpgsql stable
set search_path from current
as $$
#variable_conflict use_column
begin
    return query
    select s.id, w.id, w.name, s.name, s.queue, s.worker, s.args::text, s.arg_refs::text,
           case
               when s.inputs is not null then (
                   select coalesce(json_object_agg(d.name, d.result), '{}')::text
                     from unnest(s.inputs) as o(ordinal)
                     join steps d on d.id = any(array[sibling_of(s.id, o.ordinal)])
                    where d.state = 'completed'
               )
           end,
           q.attempt, s.max_attempts, s.timeout
      from unnest(p_ids) with ordinality as k(id, n)
      join queue q on q.step_id = any(array[k.id])
      join steps s on s.id = any(array[k.id])
      join workflows w on w.key = any(array[workflow_of(k.id)])
     order by k.n;
end $$;
