-- Refuse terms that a step cannot have (see write_steps), with the ranges of baton/core/options.py.
--
-- p_numbers: the number of its terms for each step.
create or replace function check_terms(p_terms json, p_numbers integer[]) returns void
language plpgsql
as $$
declare
    fault text;
begin
    if json_typeof(p_terms) is distinct from 'array' then
        perform refuse('the terms of the steps are not a list');
    end if;
    select case
               when t.numbers is distinct from t.terms then 'two terms have the same number'
               when t.fault is not null then t.fault
               when exists (select unnest(p_numbers) except select unnest(t.known)) then 'a step has terms that are not there'
           end
      into fault
      from (
          select count(*) as terms, count(distinct t.number) as numbers, array_agg(t.number) as known,
                 min('worker ' || quote_nullable(left(t.worker, 200)) || ': ' || case
                     when name_fault(t.worker, true) is not null then 'its name ' || name_fault(t.worker, true)
                     when name_fault(t.queue, false) is not null then 'the name of its queue ' || name_fault(t.queue, false)
                     when (t.priority >= 0) is not true then 'priority must be between 0 and 32767'
                     when (t.max_attempts between 1 and 32767) is not true then 'max_attempts must be between 1 and 32767'
                     when not (t.timeout > 0 and t.timeout <= 3162240000) then
                         'timeout must be more than 0 seconds, and at most a hundred years'
                     when not is_backoff(t.backoff) then 'its backoff is neither seconds nor base, maximum and jitter in their ranges'
                     when not t.schedule_in between 0 and 3162240000 then
                         'schedule_in must be 0 or more seconds, and at most a hundred years'
                     when t.scheduled_at is not null and t.schedule_in is not null then
                         'it has both scheduled_at and schedule_in'
                     when t.scheduled_at is not null and time_fault(t.scheduled_at) is not null then time_fault(t.scheduled_at)
                     when not (t.deadline > 0 and t.deadline <= 3162240000) then
                         'deadline must be more than 0 seconds, and at most a hundred years'
                     when not (t.start_within > 0 and t.start_within <= 3162240000) then
                         'start_within must be more than 0 seconds, and at most a hundred years'
                     when least(t.deadline, t.start_within) <= t.schedule_in then
                         'its deadline is past before it may start'
                     when t.start_within >= t.deadline then 'its deadline comes before start_within'
                     when t.tolerate !~ '^\d{1,7}$' and t.tolerate !~ '^(100|\d{1,2})(\.\d{1,6})?%$' then
                         'tolerate is neither a number nor a share such as 10%'
                     when not t.needs between 1 and 1000000 then 'needs must be between 1 and 1000000'
                     when t.tolerate is not null and t.needs is not null then 'it has both tolerate and needs'
                     when t.lane is not null and name_fault(t.lane, false) is not null then
                         'the name of its lane ' || name_fault(t.lane, false)
                     when not t.units between 1 and 1000000000 then 'units must be between 1 and 1000000000'
                     when not t.concurrency between 1 and 1000000 then 'concurrency must be between 1 and 1000000'
                 end) as fault
            from json_to_recordset(p_terms) as t(
                     number integer, worker text, queue text, priority smallint, max_attempts integer,
                     timeout double precision, backoff json, scheduled_at text, schedule_in double precision, concurrency integer,
                     tolerate text, needs integer, deadline double precision, start_within double precision,
                     lane text, units integer, ignore_cancelled boolean, ignore_discarded boolean, ignore_skipped boolean,
                     takes_context boolean
                 )
      ) as t;
    perform refuse(fault);
end $$;
