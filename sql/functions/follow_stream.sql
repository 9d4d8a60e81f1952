-- Ask that what is published to a stream of a workflow be announced for some seconds, and the
-- workflow's end.
--
-- To be called after LISTEN and before the stream is read, and again before the time is over.
-- Locks: the workflow, then the row of the stream.
create or replace function follow_stream(p_workflow_id text, p_stream text, p_seconds double precision) returns void
language plpgsql security definer
as $$
declare
    flow bigint;
begin
    select w.key
      into flow
      from workflows w
     where w.id = p_workflow_id
       and w.finished_at is null
       for no key update;
    if flow is null then
        return;
    end if;
    update workflows w set watched = true where w.key = flow and not w.watched;
    insert into streams as s (workflow, name, followed_until)
    values (flow, p_stream, clock_timestamp() + interval '1 second' * least(p_seconds, 3600))
        on conflict (workflow, name) do update
       set followed_until = excluded.followed_until;
end $$;
