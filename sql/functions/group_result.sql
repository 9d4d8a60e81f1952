-- The result of a step as its dependents read it; null if it has none. A group's is put together
-- from its children's:
--
--   a map       the list of the results that exist, in item order
--   any other   the result of the child that it returns; else of its last child, the one on which
--               nothing depends; or, if there are several, an object of their results by name
--
-- A group that failed has a result too: a dependent that ignores the failure gets what there is.
create or replace function group_result(p_id bigint) returns json
language plpgsql stable
as $$
declare
    g     record;
    lasts bigint[];
begin
    select s.grouping, s.first_child, s.children, s.returns, s.result into g from steps s where s.id = p_id;
    case
        when g.first_child is null then
            return g.result;
        when g.grouping = 'map' then
            return (
                select coalesce(json_agg(r.result order by r.id), '[]')
                  from (
                      select c.id, case when c.first_child is null then c.result else group_result(c.id) end as result
                        from steps c
                       where c.id >= sibling_of(p_id, g.first_child) and c.id < sibling_of(p_id, g.first_child + g.children)
                      offset 0
                  ) as r
                 where r.result is not null
            );
        when g.returns is not null then
            return group_result(sibling_of(p_id, g.returns));
        else
            lasts := array(
                select c.id
                  from steps c
                 where c.id >= sibling_of(p_id, g.first_child) and c.id < sibling_of(p_id, g.first_child + g.children)
                   and coalesce(c.is_last, c.dependents = '{}')
                 order by c.id
            );
            if cardinality(lasts) = 1 then
                return group_result(lasts[1]);
            end if;
            return (
                select coalesce(json_object_agg(local_name(r.name), r.result order by r.id), '{}')
                  from (
                      select c.id, c.name, group_result(c.id) as result from steps c where c.id = any(lasts) offset 0
                  ) as r
                 where r.result is not null
            );
    end case;
end $$;
