-- The results that a step reads, as claimed_steps returns them, for results whose size is not known
-- beforehand; or '!' and why they cannot be delivered.
--
-- They are too large if they have more than p_input_bytes as JSON. Of a group this counts what
-- group_result puts together. Of a step that takes a context it also counts what outcomes_of
-- returns.
create or replace function large_results(p_step bigint, p_inputs integer[], p_takes_context boolean, p_input_bytes bigint)
returns text
language plpgsql stable
as $$
declare
    leaves bigint[];
    size   bigint;
    extra  bigint := 0;
begin
    with recursive read(id, grouping, first_child, children, returns) as (
        select d.id, d.grouping, d.first_child, d.children, d.returns
          from unnest(p_inputs) as o(ordinal)
          join steps d on d.id = any(array[sibling_of(p_step, o.ordinal)])
         union
        select c.id, c.grouping, c.first_child, c.children, c.returns
          from read g
          join steps c on c.id >= sibling_of(g.id, g.first_child) and c.id < sibling_of(g.id, g.first_child + g.children)
         where g.grouping = 'map'
            or c.id = sibling_of(g.id, g.returns)
            or (g.returns is null and c.dependents = '{}')
    )
    select array_agg(r.id) into leaves from read r where r.first_child is null;
    if p_takes_context then
        extra := outcomes_bytes(p_step, p_inputs);
    end if;

    -- As in claimed_steps, stored sizes are nearly always enough, so that the results need not be
    -- read twice.
    select coalesce(sum(pg_column_size(s.result)), 0) into size from steps s where s.id = any(leaves);
    if 256 * size + extra > p_input_bytes then
        select coalesce(sum(octet_length(s.result::text)), 0) + extra into size from steps s where s.id = any(leaves);
        if size > p_input_bytes then
            return format(
                '!the results that it reads have %s bytes as JSON, and the limit is %s; '
                'store the data elsewhere and return where it is',
                to_char(size, 'FM999,999,999,999,999'), to_char(p_input_bytes, 'FM999,999,999,999,999')
            );
        end if;
    end if;
    return (
        select coalesce(json_object_agg(r.name, r.result), '{}')::text
          from (
              select case
                         when o.ordinal = s.undoes then ''
                         when s.parent is null and s.undoes is null then d.name
                         else local_name(d.name)
                     end as name,
                     case when d.first_child is null then d.result else group_result(d.id) end as result
                from steps s
               cross join lateral unnest(p_inputs) as o(ordinal)
                join steps d on d.id = any(array[sibling_of(s.id, o.ordinal)])
               where s.id = p_step
              offset 0
          ) as r
         where r.result is not null
    );
end $$;
