-- Correct the rates of queues by what attempts have used, where their start counted more or less.
--
-- See write_records for the parameters; p_values: numbers, in all, of each attempt. The last one
-- counts. May be repeated: the difference to what counted before is 0 then.
-- Locks: rows of used_units by step, then of queue_rates, then of lane_rates.
create or replace function write_units(
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_numbers integer[], p_values text[]
) returns void
language plpgsql
as $$
declare
    moment  timestamptz := clock_timestamp();
    changed record;
    setting record;
begin
    for changed in
        select distinct on (r.id, r.token)
               r.id, r.token, r.value::bigint as units, s.queue, coalesce(s.lane, '-') as lane, coalesce(s.units, 1) as started
          from unnest(p_ids, p_tokens, p_kinds, p_numbers, p_values) as r(id, token, kind, number, value)
          join steps s on s.id = any(array[r.id])
         where r.kind = 'units'
         order by r.id, r.token, r.number desc
    loop
        insert into used_units (step_id, token, units)
        values (changed.id, changed.token, changed.started)
            on conflict do nothing;
        select s.starts, s.per, s.lane_starts, s.lane_per, changed.units - u.units as more
          into setting
          from used_units u
          left join queue_settings s on s.queue = changed.queue
         where u.step_id = changed.id
           and u.token = changed.token
           for no key update of u;
        continue when setting.more = 0;
        update used_units u set units = changed.units where u.step_id = changed.id and u.token = changed.token;
        update queue_rates r
           set spent = greatest(r.spent, case when setting.more > 0 then moment else r.spent end)
                       + make_interval(secs => setting.more * setting.per / setting.starts)
         where r.queue = changed.queue
           and setting.starts is not null;
        insert into lane_rates as r (queue, lane, spent)
        select changed.queue, changed.lane, moment + make_interval(secs => setting.more * setting.lane_per / setting.lane_starts)
         where setting.lane_starts is not null
            on conflict (queue, lane) do update
           set spent = greatest(r.spent, case when setting.more > 0 then moment else r.spent end)
                       + make_interval(secs => setting.more * setting.lane_per / setting.lane_starts);
    end loop;
end $$;
