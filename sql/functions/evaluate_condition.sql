-- Evaluate the condition of a step whose dependencies are all final. baton/core/conditions.py has
-- its form.
--
-- holds: whether it holds; null if it cannot be evaluated.
-- why: the comparisons that decided, each with the value that was read; or why it cannot be
--   evaluated.
-- Values keep their types: true is not 1, and text is not a number. Text is ordered by its code
-- points.
create or replace function evaluate_condition(p_step bigint, p_condition json, out holds boolean, out why text)
language plpgsql stable
as $$
declare
    part    record;
    member  json;
    read    record;
    seen    text[] := '{}';
begin
    case p_condition ->> 'is'
        when 'all', 'any' then
            -- The last member that was evaluated decides, and its reason is the reason.
            for member in select m.value from json_array_elements(p_condition -> 'members') as m(value) loop
                part := evaluate_condition(p_step, member);
                if part.holds is null or part.holds = (p_condition ->> 'is' = 'any') then
                    holds := part.holds;
                    why := part.why;
                    return;
                end if;
                seen := seen || part.why;
            end loop;
            holds := p_condition ->> 'is' = 'all';
            why := array_to_string(seen, ' and ');
        when 'not' then
            part := evaluate_condition(p_step, p_condition -> 'member');
            holds := not part.holds;
            why := part.why;
        when 'failed', 'succeeded' then
            select case p_condition ->> 'is'
                       when 'failed' then coalesce(bool_or(x.is_failed), false)
                       else bool_and(x.state = 'completed')
                   end,
                   string_agg(format('step ''%s'' is %s', x.name, x.state), ' and ')
              into holds, why
              from (
                  select n.name, d.state, d.state = 'discarded' or (d.state = 'cancelled' and not d.not_needed) as is_failed
                    from json_array_elements_text(p_condition -> 'steps') with ordinality as n(name, n)
                   cross join lateral (select outer_dependency(p_step, n.name) as ordinal) as o
                    left join steps d on d.id = any(array[sibling_of(p_step, o.ordinal)])
                   order by n.n
              ) as x;
        when 'compare', 'in' then
            read := condition_operand(p_step, p_condition -> 'left');
            if read.fault is not null then
                why := read.fault;
                return;
            end if;
            if p_condition ->> 'is' = 'in' then
                holds := exists (
                    select
                      from json_array_elements(p_condition -> 'values') as v(value)
                     where compare_json(read.value, '==', v.value)
                );
            else
                holds := compare_json(read.value, p_condition ->> 'operator', p_condition -> 'right');
            end if;
            why := case
                       when holds is null then
                           format('%s is %s, which cannot be compared by %s with %s', read.written,
                                  left(coalesce(read.value #>> '{}', 'null'), 200), p_condition ->> 'operator', p_condition -> 'right')
                       else format('%s is %s', read.written, left(read.value::text, 200))
                   end;
        else
            why := format('this version of the schema knows no condition ''%s''', p_condition ->> 'is');
    end case;
end $$;
