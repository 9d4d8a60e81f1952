-- End what has passed its deadline in one workflow, up to p_limit deadlines (see end_overdue).
-- Returns how many were due. Locks: the entries by step; the caller holds the lock of the workflow.
create or replace function end_overdue_of(p_key bigint, p_limit integer) returns integer
language plpgsql
as $$
declare
    due      record;
    scope    record;
    group_id bigint;
    queues   text[];
    counts   integer[];
begin
    with late as materialized (
        select d.step_id, d.kind
          from deadlines d
         where d.step_id >= step_of(p_key, 0) and d.step_id < step_of(p_key + 1, 0)
           and d.due_at <= clock_timestamp()
         order by d.due_at
         limit p_limit
    ), gone as (
        delete from deadlines d
         using late l
         where d.step_id = any(array[l.step_id])
           and d.kind = l.kind
     returning d.step_id, d.kind
    )
    select count(*)::integer as n,
           coalesce(bool_or(g.kind in ('run', 'sweep run')), false) as is_whole,
           coalesce(bool_or(g.kind = 'run'), false) as is_overdue,
           array_agg(g.step_id order by g.step_id) filter (where g.kind = 'sweep group') as swept,
           array_agg(g.step_id order by g.step_id) filter (where g.kind = 'end') as unended,
           array_agg(g.step_id order by g.step_id) filter (where g.kind = 'start') as unstarted
      into due
      from gone g;

    if due.is_overdue then
        scope := end_scope(
            p_key, null, 'failed',
            (select format('it did not end within its deadline of %s s', w.deadline) from workflows w where w.key = p_key),
            clock_timestamp()
        );
    elsif due.is_whole then
        scope := sweep_scope(p_key, null);
    end if;
    if due.is_whole then
        queues := queues || scope.queues;
        counts := counts || scope.counts;
    end if;
    foreach group_id in array coalesce(due.swept, '{}') loop
        scope := sweep_scope(p_key, group_id);
        queues := queues || scope.queues;
        counts := counts || scope.counts;
    end loop;
    for group_id in
        select g.id from steps g where g.id = any(due.unended) and g.first_child is not null and g.finished_at is null order by g.id
    loop
        scope := end_scope(
            p_key, group_id, 'discarded',
            (select format('it did not end within its deadline of %s s', g.deadline) from steps g where g.id = group_id),
            clock_timestamp()
        );
        queues := queues || scope.queues;
        counts := counts || scope.counts;
    end loop;
    if due.unended is not null or due.unstarted is not null then
        scope := end_late_steps(due.unended, due.unstarted);
        queues := queues || scope.queues;
        counts := counts || scope.counts;
    end if;
    perform notify_queues(queues, counts);
    return due.n;
end $$;
