-- The limit that keeps an available step from its start now, as a JSON object; null for none.
--
-- limit: running, lane_running, starts, lane_starts, or paused_lane. most: of steps or units.
-- lane, per: if they belong to it. seconds: until its units are earned, or since the lane is paused.
create or replace function limit_of(p_step bigint) returns json
language plpgsql stable security definer
as $$
declare
    entry   record;
    setting record;
    moment  timestamptz := clock_timestamp();
    spent   timestamptz;
    units   bigint;
    paused  timestamptz;
begin
    select q.queue, coalesce(q.lane, s.lane, '-') as lane, coalesce(q.units, 1) as units
      into entry
      from queue q
      join steps s on s.id = any(array[q.step_id])
     where q.step_id = p_step
       and q.state = 'available'
       and q.lane is distinct from '';
    select s.running, s.starts, s.per, s.burst, s.lane_running, s.lane_starts, s.lane_per, s.lane_burst, s.is_laned
      into setting
      from queue_settings s
     where s.queue = entry.queue
       and s.has_limits;
    if not found then
        return null;
    end if;
    select p.paused_at into paused from paused_lanes p where p.queue = entry.queue and p.lane = entry.lane;
    if paused is not null then
        return json_build_object('limit', 'paused_lane', 'lane', entry.lane, 'seconds', extract(epoch from moment - paused));
    end if;
    if (select count(*) from queue q where q.state = 'executing' and q.queue = entry.queue and q.slot is not null) >= setting.running then
        return json_build_object('limit', 'running', 'most', setting.running);
    end if;
    if (select count(*) from queue q where q.state = 'executing' and q.lane is not null and q.queue = entry.queue and q.lane = entry.lane)
       >= setting.lane_running then
        return json_build_object('limit', 'lane_running', 'most', setting.lane_running, 'lane', entry.lane);
    end if;
    units := least(entry.units, floor(setting.burst));
    select r.spent into spent from queue_rates r where r.queue = entry.queue;
    if setting.starts is not null and free_units(spent, setting.starts, setting.per, setting.burst, moment) < units then
        return json_build_object(
                   'limit', 'starts', 'most', setting.starts, 'per', setting.per,
                   'seconds', extract(epoch from units_earned_at(
                       spent, units, setting.starts, setting.per, setting.burst, moment
                   ) - moment)
               );
    end if;
    units := least(entry.units, floor(setting.lane_burst));
    select r.spent into spent from lane_rates r where r.queue = entry.queue and r.lane = entry.lane;
    if setting.lane_starts is not null
       and free_units(spent, setting.lane_starts, setting.lane_per, setting.lane_burst, moment) < units then
        return json_build_object(
                   'limit', 'lane_starts', 'most', setting.lane_starts, 'per', setting.lane_per, 'lane', entry.lane,
                   'seconds', extract(epoch from units_earned_at(
                       spent, units, setting.lane_starts, setting.lane_per, setting.lane_burst, moment
                   ) - moment)
               );
    end if;
    return null;
end $$;
