-- Say why the results that a step reads cannot be delivered to it, as a sentence; null if they can.
--
-- They are too large if all of them have more than p_input_bytes as JSON. Of a group count the results that group_result
-- puts together; of a step that takes a context also what outcomes_of says about its dependencies.
create or replace function undeliverable(
    p_step bigint, p_inputs integer[], p_takes_context boolean, p_input_bytes bigint
) returns text
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
        select sum(octet_length(c.name) + coalesce(octet_length(c.reason), 0) + 50)
          into extra
          from unnest(p_inputs) as o(ordinal)
          join steps d on d.id = any(array[sibling_of(p_step, o.ordinal)])
          join steps c on c.id = d.id
                       or (c.id >= sibling_of(d.id, d.first_child) and c.id < sibling_of(d.id, d.first_child + d.children));
    end if;

    -- As in claimed_steps: nearly always the stored sizes are enough to know, and the results need not be read.
    select coalesce(sum(pg_column_size(s.result)), 0) into size from steps s where s.id = any(leaves);
    if 256 * size + extra <= p_input_bytes then
        return null;
    end if;
    select coalesce(sum(octet_length(s.result::text)), 0) + extra into size from steps s where s.id = any(leaves);
    if size <= p_input_bytes then
        return null;
    end if;
    return format(
        'the results that it reads have %s bytes as JSON, and the limit is %s; store the data elsewhere and return where it is',
        to_char(size, 'FM999,999,999,999,999'), to_char(p_input_bytes, 'FM999,999,999,999,999')
    );
end $$;
