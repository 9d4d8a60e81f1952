-- The keys of workflows in which a wait may be over: something came that upkeep has not seen, or a
-- time is up. At most ten times p_limit of each kind are looked at.
create or replace function ripe_workflows(p_limit integer) returns bigint[]
language sql stable
as $$
    select array(
        (select workflow_of(q.step_id) from queue q
          where q.ends_at <= clock_timestamp()
          order by q.ends_at limit 10 * p_limit)
          union
        (select g.workflow from signals g where g.is_new limit 10 * p_limit)
          union
        (select m.workflow from messages m where m.seen_at is null limit 10 * p_limit)
          union
        (select workflow_of(a.step_id) from awaited_runs a where a.is_new limit 10 * p_limit)
    )
$$;
