-- Set the limits of a queue, all of them: null takes one away.
--
-- The change waits for the claims that are under way, and keeps others from beginning. What executes
-- is put into the new parts of the limit: it would not be counted in a part that is no more. While
-- more executes than the limit allows, there is one part, because with several one could start a
-- step while others hold too many.
-- p_actor: who changes them; noted as an intervention.
-- changed: false if these limits hold already.
-- Raises lock_not_available if what executes stays locked, such as by a transactional worker that
-- commits now. The caller tries again, so that claims do not wait meanwhile.
-- Locks: claims_gate, the queue's row in queue_settings, its parts, then what executes.
create or replace function set_limits(
    p_queue text, p_running integer, p_starts double precision, p_per double precision, p_burst double precision,
    p_lane_running integer, p_lane_starts double precision, p_lane_per double precision, p_lane_burst double precision,
    p_actor text default null,
    out changed boolean
)
language plpgsql security definer
as $$
declare
    is_laned  boolean := p_lane_running is not null or p_lane_starts is not null;
    executing bigint[];
    parts     integer;
begin
    perform require_read_committed();
    changed := (
                   select array[s.running, s.starts, s.per, s.burst, s.lane_running, s.lane_starts, s.lane_per, s.lane_burst]
                     from queue_settings s
                    where s.queue = p_queue
               ) is distinct from
               array[p_running, p_starts, p_per, p_burst, p_lane_running, p_lane_starts, p_lane_per, p_lane_burst]
               and (
                   num_nonnulls(p_running, p_starts, p_lane_running, p_lane_starts) > 0
                   or exists (select from queue_settings s where s.queue = p_queue and s.has_limits)
               );
    if not changed then
        return;
    end if;
    perform pg_advisory_xact_lock(claims_gate());
    insert into queue_settings (
        queue, has_limits, is_laned, running, starts, per, burst, lane_running, lane_starts, lane_per, lane_burst
    )
    values (
        p_queue, true, is_laned, p_running, p_starts, p_per, p_burst, p_lane_running, p_lane_starts, p_lane_per, p_lane_burst
    )
        on conflict (queue) do update
       set has_limits = true,
           -- Lanes that are paused stay known.
           is_laned = excluded.is_laned or exists (select from paused_lanes l where l.queue = p_queue),
           running = excluded.running,
           starts = excluded.starts,
           per = excluded.per,
           burst = excluded.burst,
           lane_running = excluded.lane_running,
           lane_starts = excluded.lane_starts,
           lane_per = excluded.lane_per,
           lane_burst = excluded.lane_burst;

    executing := locked_executing(p_queue);
    parts := case when cardinality(executing) > p_running then 1 else least(8, greatest(1, p_running / 50)) end;
    delete from queue_parts p where p.queue = p_queue;
    insert into queue_parts (queue, part, size)
    select p_queue, n, p_running / parts + (n <= p_running % parts)::integer
      from generate_series(1, parts) as n
     where p_running is not null;
    update queue q
       set slot = coalesce(
               (
                   select min(u.part)
                     from (select p.part, sum(p.size) over (order by p.part) as upto from queue_parts p where p.queue = p_queue) as u
                    where u.upto >= e.n
               ),
               -- Beyond the limit: in the one part that there is.
               case when p_running is not null then 1 end
           ),
           lane = case when is_laned then coalesce(q.lane, s.lane, '-') else q.lane end
      from unnest(executing) with ordinality as e(id, n)
      join steps s on s.id = any(array[e.id])
     where q.step_id = e.id;

    if p_starts is null then
        delete from queue_rates r where r.queue = p_queue;
    else
        insert into queue_rates (queue, spent)
        values (p_queue, clock_timestamp())
            on conflict do nothing;
    end if;
    perform note_intervention(null, 'limit', p_actor, p_subject => p_queue);
    perform notify_available(p_queue);
end $$;
