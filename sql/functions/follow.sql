-- Ask that the ends of a workflow's steps be announced for some seconds, and its own end.
--
-- To be called after LISTEN and before its state is read, and again before the time is over.
-- Locks: the workflow.
create or replace function follow(p_workflow_id text, p_seconds double precision) returns void
language plpgsql security definer
as $$
begin
    update workflows w
       set followed_until = clock_timestamp() + interval '1 second' * least(p_seconds, 3600),
           watched = true
     where w.id = p_workflow_id
       and w.finished_at is null;
end $$;
