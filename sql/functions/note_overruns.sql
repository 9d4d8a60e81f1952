-- Note the attempts that failed because they took too long, and whose code still runs: closing
-- steps and undos wait until it has ended (see end_attempts).
--
-- p_ids, p_tokens, p_kinds: parallel, as apply_outcomes takes them; those of kind overrun count.
-- Locks: none; the caller holds the locks of the workflows.
create or replace function note_overruns(p_ids bigint[], p_tokens uuid[], p_kinds text[]) returns void
language sql
as $$
    insert into unended_attempts (step_id, token, pool)
    select q.step_id, q.token, q.pool
      from unnest(p_ids, p_tokens, p_kinds) as o(id, token, kind)
      join queue q on q.step_id = any(array[o.id]) and q.token = o.token
      join workflows w on w.key = any(array[workflow_of(o.id)])
     where o.kind = 'overrun'
       and w.has_closing
        on conflict do nothing
$$;
