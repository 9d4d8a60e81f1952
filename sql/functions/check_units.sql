-- Refuse steps that could never start: with more units than may start at once in their queue.
--
-- p_terms: see write_steps. A limit that is lowered later lets such a step start when its burst is
-- whole.
create or replace function check_units(p_terms text) returns void
language plpgsql
as $$
declare
    fault record;
begin
    select t.worker, t.queue, t.units, least(s.burst, s.lane_burst) as most,
           case when s.burst <= s.lane_burst or s.lane_burst is null then 'burst' else 'lane_burst' end as option
      into fault
      from json_to_recordset(p_terms::json) as t(worker text, queue text, units integer)
      join queue_settings s on s.queue = t.queue
     where t.units > least(s.burst, s.lane_burst)
     order by t.units desc
     limit 1;
    if found then
        raise exception 'a step of worker ''%'' could never start: no more than % units may start at once in queue ''%''',
              fault.worker, fault.most, fault.queue
              using errcode = 'invalid_parameter_value',
                    constraint = 'queue_burst',
                    detail = fault.units::text,
                    hint = format('raise %s of the queue''s limits, or split the work into smaller steps', fault.option);
    end if;
end $$;
