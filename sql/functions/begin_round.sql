-- Let the next round of a step begin with its next attempt: these arguments replace those of the
-- same names, and what stood there. What it kept is forgotten.
--
-- Its idempotency key changes, so that a service does not answer with the call of an earlier round.
-- p_given: a JSON object, arguments by name.
-- Locks: none; apply_outcomes has taken them.
create or replace function begin_round(p_step bigint, p_given json) returns void
language plpgsql
as $$
begin
    update steps s
       set args = (
               select coalesce(json_object_agg(a.key, a.value), '{}')
                 from (
                     select e.key, e.value from json_each(s.args) as e where p_given -> e.key is null
                      union all
                     select g.key, g.value from json_each(p_given) as g
                 ) as a
           ),
           -- Each is a list whose first element is a path, which begins with the argument.
           arg_refs = (
               select json_agg(r.reference)
                 from json_array_elements(s.arg_refs) as r(reference)
                where p_given -> (r.reference #>> '{0,0}') is null
           ),
           round = s.round + 1,
           generation = s.generation + 1,
           losses = 0,
           loss_rows = 0,
           again = null
     where s.id = p_step;
    delete from kept k where k.step_id = p_step;
end $$;
