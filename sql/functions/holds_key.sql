-- Whether a run that took its key last still holds it: until it ends, and for key_for seconds more.
create or replace function holds_key(p_workflow workflows) returns boolean
language sql stable
as $$
    select p_workflow.state = 'executing'
        or coalesce(p_workflow.finished_at + interval '1 second' * p_workflow.key_for > clock_timestamp(), false)
$$;
