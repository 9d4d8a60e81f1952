-- Claim up to p_limit entries of a queue that has a row of settings, as its limits allow.
-- claim_entries calls it, and holds claims_gate.
--
-- What executes is counted, under a lock, and kept in no counter that an end of an entry might
-- forget. What is earned of a rate and when the entries start is judged by one moment.
-- p_is_patient: wait for locks of other claims. Only for a call that settles nothing, because
--   settling locks workflows.
-- p_memory: what the last claim of this pool returned for this queue, with `freed` in it: the lanes
--   in which a step has ended.
-- taken, attempts, joins: as of claim_entries.
-- memory: to be handed to the next claim of the pool. Beside what choose_by_lanes needs:
--   next_in   seconds until the pool should ask again. 0: the locks were held; none: when it is
--             notified
--   reached   the limit that keeps it from getting more: running, starts or lanes
-- Locks: rows of queue_parts, then of queue_rates, then lanes, then lane_rates, then entries.
create or replace function claim_limited(
    p_pool bigint, p_queue text, p_limit integer, p_token uuid, p_is_patient boolean, p_memory json,
    out taken bigint[], out attempts integer[], out joins boolean[], out memory json
)
language plpgsql
as $$
declare
    setting  queue_settings;
    exempt   tid[];
    picked   tid[] := '{}';
    slots    smallint[];
    room     integer;
    budget   bigint;
    used     bigint := 0;
    moment   timestamptz;
    spent    timestamptz;
    chosen   record;
    blocked  bigint;
    wanted   integer;
    next_in  double precision;
    reached  text;
begin
    memory := p_memory;
    select s.queue, s.paused_at, s.has_limits, s.is_laned, s.running, s.starts, s.per, s.burst,
           s.lane_running, s.lane_starts, s.lane_per, s.lane_burst
      into setting
      from queue_settings s
     where s.queue = p_queue;
    if setting.paused_at is not null then
        memory := json_build_object('after', p_memory ->> 'after');
        return;
    end if;
    exempt := array(
        select q.ctid
          from queue q
         where q.state = 'available' and q.lane = '' and q.queue = p_queue
         order by q.position
         limit p_limit
           for no key update skip locked
    );
    room := p_limit - cardinality(exempt);
    wanted := room;
    if setting.running is not null then
        slots := free_slots(p_pool, p_queue, room, p_is_patient);
        if slots is null then
            next_in := 0;
        end if;
        room := coalesce(cardinality(slots), 0);
    end if;
    if setting.starts is not null and room > 0 then
        if p_is_patient then
            select r.spent into spent from queue_rates r where r.queue = p_queue for no key update;
        else
            select r.spent into spent from queue_rates r where r.queue = p_queue for no key update skip locked;
        end if;
        if spent is null then
            next_in := 0;
            room := 0;
        end if;
    end if;
    moment := clock_timestamp();
    budget := free_units(spent, setting.starts, setting.per, setting.burst, moment);

    if room > 0 and setting.is_laned then
        perform adopt_entries(p_queue);
    end if;
    if room > 0
       and (setting.is_laned or exists (select from queue q where q.state = 'available' and q.lane is not null and q.queue = p_queue)) then
        chosen := choose_by_lanes(
            setting, room, budget, moment, p_memory, array(select json_array_elements_text(p_memory -> 'freed'))
        );
        -- choose_in_order locks its entries itself.
        picked := array(
            select q.ctid from queue q where q.ctid = any(chosen.chosen) and q.state = 'available' for no key update skip locked
        );
        used := chosen.used;
        blocked := chosen.blocked_by;
        memory := chosen.memory;
        next_in := case
                       when chosen.may_be_more then 0.001
                       when chosen.earned_at is not null then greatest(0.001, extract(epoch from chosen.earned_at - moment))
                   end;
    end if;
    if room > cardinality(picked) and blocked is null and not setting.is_laned then
        chosen := choose_in_order(setting, room - cardinality(picked), budget - used);
        picked := picked || chosen.chosen;
        blocked := used + chosen.blocked_by;
        used := used + chosen.used;
    end if;
    if setting.starts is not null and room > 0 then
        if blocked is not null then
            next_in := greatest(0.001, extract(epoch from units_earned_at(
                           spent, blocked, setting.starts, setting.per, setting.burst, moment
                       ) - moment));
        end if;
        update queue_rates r
           set spent = spent_after(r.spent, used, setting.starts, setting.per, moment)
         where r.queue = p_queue
           and used > 0;
    end if;
    reached := case
                   when blocked is not null then 'starts'
                   when room = cardinality(picked) and room < wanted then 'running'
                   when room > cardinality(picked) and setting.is_laned then 'lanes'
               end;
    memory := json_build_object(
                  'after', memory ->> 'after', 'level', memory -> 'level', 'turns', memory -> 'turns',
                  'next_in', next_in, 'reached', reached
              );
    if cardinality(picked) + cardinality(exempt) = 0 then
        return;
    end if;
    with updated as (
        -- available -> executing
        update queue q
           set state = 'executing',
               pool = p_pool,
               token = p_token,
               slot = k.slot,
               attempt = q.attempt + (not q.is_join)::integer,
               attempted_at = moment
          from unnest(picked || exempt, slots[1:cardinality(picked)]) as k(place, slot)
         where q.ctid = k.place
     returning q.step_id, q.attempt, q.is_join, q.priority, q.position
    )
    select array_agg(c.step_id), array_agg(c.attempt), array_agg(c.is_join)
      into taken, attempts, joins
      from (select u.step_id, u.attempt, u.is_join from updated u order by u.priority, u.position, u.step_id) as c;
end $$;
