-- Resume a paused run, or worker, and wake the pools that may run its steps.
--
-- p_kind, p_name, p_actor: as in pause_starts.
-- resumed: false if it was not paused; null if there is no such run.
-- Locks: the row of paused_starts, which claims that put steps aside share; then entries by step.
create or replace function resume_starts(
    p_kind text, p_name text, p_actor text default null, out resumed boolean
)
language plpgsql security definer
as $$
declare
    flow  bigint;
    ids   bigint[];
    freed record;
begin
    if p_kind = 'run' then
        select w.key into flow from workflows w where w.id = p_name;
        if not found then
            return;
        end if;
    end if;
    delete from paused_starts p
     where p.subject = case p_kind when 'run' then 'run ' || flow else 'worker ' || p_name end;
    resumed := found;
    ids := array(
        select p.step_id
          from paused_steps p
         where p_kind = 'run'
           and p.step_id >= step_of(flow, 0) and p.step_id < step_of(flow + 1, 0)
         union all
        select p.step_id
          from paused_steps p
          join steps s on s.id = any(array[p.step_id])
         where p_kind = 'worker'
           and s.worker = p_name
    );
    delete from paused_steps p where p.step_id = any(ids);
    perform 1 from queue q where q.step_id = any(ids) order by q.step_id for update;
    with opened as (
        -- waiting -> available; if its worker or run is paused as well, a claim puts it aside again
        update queue q
           set state = 'available'
         where q.step_id = any(ids)
           and q.state = 'waiting'
     returning q.queue
    )
    select array_agg(g.queue) as queues, array_agg(g.n) as counts
      into freed
      from (select o.queue, count(*)::integer as n from opened o group by o.queue) as g;
    perform notify_queues(freed.queues, freed.counts);
    if resumed then
        perform note_intervention(
            flow, 'resume', p_actor,
            p_subject => case when flow is null then 'worker ' || p_name end
        );
    end if;
end $$;
