-- The type that the next step to receive a message of this topic expects, as the library wrote it;
-- null if any JSON will do, or if no step waits for one or will.
create or replace function topic_kind(p_workflow_id text, p_topic text) returns text
language sql stable
as $$
    select s.awaits ->> 'kind'
      from workflows w
      join receivers r on r.workflow = any(array[w.key]) and r.topic = p_topic
      join steps s on s.id = any(array[r.step_id])
     where w.id = p_workflow_id
     order by s.id
     limit 1
$$;
