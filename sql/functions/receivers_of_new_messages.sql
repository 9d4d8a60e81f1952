-- See the new messages of these workflows, up to p_limit, and return the steps that may take one of
-- them. The caller holds the locks of the workflows.
create or replace function receivers_of_new_messages(p_keys bigint[], p_limit integer, p_moment timestamptz) returns bigint[]
language plpgsql
as $$
declare
    receiving bigint[];
begin
    with seen as (
        select m.workflow, m.id
          from messages m
         where m.workflow = any(p_keys)
           and m.seen_at is null
         order by m.workflow, m.id
         limit p_limit
    ), updated as (
        update messages m
           set seen_at = p_moment
          from seen s
         where m.workflow = any(array[s.workflow])
           and m.id = s.id
     returning m.workflow, m.topic
    ), topics as (
        select distinct u.workflow, u.topic from updated u
    )
    select array_agg(r.step_id)
      into receiving
      from topics t
      join receivers r on r.workflow = any(array[t.workflow]) and r.topic = t.topic;
    return coalesce(receiving, '{}');
end $$;
