-- What is wrong with a time as JSON text has it; null for nothing. Words such as `now` and
-- `infinity` are no times.
create or replace function time_fault(p_time text) returns text
language sql stable
return case
           when p_time is null then 'its time is null'
           when p_time !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$' then
               'its time has not the form 2026-01-31T09:30:00Z'
           when not p_time::timestamptz between '1900-01-01 00:00Z' and '9001-01-01 00:00Z' then
               'its time is not between the years 1900 and 9000'
       end;
