-- A step in words, for a log: its name and its workflow's id.
create or replace function step_in_words(p_id bigint) returns text
language sql stable
as $$
    select coalesce(
        (
            select format('step ''%s'' of workflow ''%s''', s.name, w.id)
              from steps s
              join workflows w on w.key = workflow_of(s.id)
             where s.id = p_id
        ),
        format('step id %s', p_id)
    )
$$;
