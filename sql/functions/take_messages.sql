-- Give each of these steps the oldest message of its topic that no step took, or the one that it
-- took before. The caller holds the locks of their workflows. Returns the steps that have one.
create or replace function take_messages(p_ids bigint[]) returns bigint[]
language plpgsql
as $$
begin
    with receiving as (
        select s.id, workflow_of(s.id) as workflow, s.awaits ->> 'topic' as topic,
               row_number() over (partition by workflow_of(s.id), s.awaits ->> 'topic' order by s.id) as n
          from steps s
         where s.id = any(p_ids)
           and s.awaits ->> 'type' = 'message'
           and not exists (select from messages m where m.taken_by = any(array[s.id]))
    ), counted as (
        select r.workflow, r.topic, count(*) as n from receiving r group by r.workflow, r.topic
    ), matched as (
        select r.id as taker, c.workflow, o.id
          from counted c
         cross join lateral (
             select m.id, row_number() over (order by m.seen_at, m.id) as n
               from messages m
              where m.workflow = c.workflow and m.topic = c.topic and m.taken_by is null and m.seen_at is not null
              order by m.seen_at, m.id
              limit c.n
         ) as o
          join receiving r on r.workflow = c.workflow and r.topic = c.topic and r.n = o.n
    )
    update messages m
       set taken_by = t.taker
      from matched t
     where m.workflow = any(array[t.workflow])
       and m.id = t.id;
    return array(select m.taken_by from messages m where m.taken_by = any(p_ids));
end $$;
