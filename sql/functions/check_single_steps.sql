-- Refuse steps that depend on nothing and have nothing but arguments and terms, if their names or
-- terms are not theirs to have.
create or replace function check_single_steps(p_ids text[], p_flows integer[], p_names text[], p_terms json) returns void
language plpgsql
as $$
declare
    fault text;
begin
    select min(format('step ''%s'' of workflow ''%s'': its name %s', left(s.name, 200), p_ids[s.flow], s.fault))
      into fault
      from (select g.flow, g.name, name_fault(g.name, true) as fault from unnest(p_flows, p_names) as g(flow, name)) as s
     where s.fault is not null;
    perform refuse(fault);
    select min(case
               when t.concurrency is not null or t.tolerate is not null or t.needs is not null then 'only a map has children to count'
               when t.worker in ('baton.workflow', 'baton.item', 'baton.signal', 'baton.timer', 'baton.message', 'baton.run') then
                   format('the worker %s stands for something that is not a job', t.worker)
           end)
      into fault
      from json_to_recordset(p_terms) as t(worker text, concurrency integer, tolerate text, needs integer);
    perform refuse(fault);
end $$;
