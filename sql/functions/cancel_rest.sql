-- Cancel what a step that starts no longer needs.
--
-- That is each step upstream of it that is not final and leads only to steps that are final, have
-- begun, or are cancelled by this call. It is marked as not needed, which fails nothing. Returns
-- what was cancelled, for the caller to apply the consequences.
-- Locks: the entries of these steps, in order of step; the caller holds the lock of the workflow.
create or replace function cancel_rest(p_step bigint, p_moment timestamptz) returns bigint[]
language plpgsql
as $$
declare
    unneeded bigint[] := '{}';
    wave     bigint[] := array[p_step];
    consumer text;
begin
    -- A gate stands for its group.
    select coalesce(g.name, s.name)
      into consumer
      from steps s
      left join steps g on s.role = 'gate' and g.id = sibling_of(s.id, s.parent)
     where s.id = p_step;
    loop
        -- Level by level: what is upstream of the last wave, and what no step needs now.
        wave := array(
            select distinct x.id
              from steps s
             cross join lateral unnest(s.dependencies) as o(ordinal)
              join steps x on x.id = any(array[sibling_of(s.id, o.ordinal)])
             where s.id = any(with_descendants(wave))
               and x.finished_at is null
               and x.id <> all(unneeded)
               and not x.is_closing
               and x.role is null
               and not exists (
                       select
                         from unnest(x.dependents) as d(ordinal)
                         join steps c on c.id = any(array[sibling_of(x.id, d.ordinal)])
                        where c.id <> p_step
                          and (select q.state from queue q where q.step_id = any(array[c.id])) is distinct from 'executing'
                          and c.id <> all(unneeded)
                          and c.finished_at is null
                          and not edge_observes(c, ordinal_of(x.id))
                          and not has_begun(c)
                   )
        );
        exit when cardinality(wave) = 0;
        unneeded := unneeded || with_descendants(wave);
    end loop;
    unneeded := array(select s.id from steps s where s.id = any(with_descendants(unneeded)) and s.finished_at is null and not s.is_closing);
    perform end_entries(unneeded);
    update steps s
       set state = 'cancelled',
           pending = 0,
           not_needed = true,
           reason = format('no longer needed: step ''%s'' has what it needs', consumer),
           finished_at = p_moment
     where s.id = any(unneeded);
    return unneeded;
end $$;
