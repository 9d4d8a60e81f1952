-- Apply the consequences for steps whose workers asked for another round. They have their states: a
-- step that is not final begins the round itself; for one that is completed, the group around it
-- does when it is judged completed (see looping_group).
--
-- p_details: parallel to p_ids; `arguments` and `keep_rounds`, as JSON. p_delays: parallel;
--   seconds.
-- Locks: none; apply_outcomes has taken them.
create or replace function ask_for_rounds(p_ids bigint[], p_details text[], p_delays double precision[]) returns void
language plpgsql
as $$
declare
    asking record;
begin
    for asking in
        select s.id, s.finished_at is null as is_itself, looping_group(s) as around, o.detail::json as detail, o.delay
          from unnest(p_ids, p_details, p_delays) as o(id, detail, delay)
          join steps s on s.id = any(array[o.id])
         where s.state <> 'discarded'
         order by o.id
    loop
        if asking.is_itself then
            perform begin_round(asking.id, asking.detail -> 'arguments');
        else
            update steps g
               set again = json_build_object(
                       'by', ordinal_of(asking.id), 'after', asking.delay,
                       'arguments', asking.detail -> 'arguments', 'keep_rounds', asking.detail -> 'keep_rounds'
                   )
             where g.id = asking.around;
        end if;
    end loop;
end $$;
