-- What became of these steps of a step's workflow, as JSON text: by local name [state, reason,
-- began, children].
--
-- The children of a group are a list of [local name, state, reason, began] in their order; null for
-- other steps.
-- Of a step that needs only some of its dependencies all are there, also those that it does not
-- read, as they are now.
-- p_most: null is returned if the text may have more bytes. Only the text of groups can.
create or replace function outcomes_of(p_step bigint, p_ordinals integer[], p_most bigint) returns text
language sql stable
as $$
    select json_object_agg(
               local_name(d.name),
               json_build_array(
                   case when d.finished_at is not null then d.state else coalesce(e.state, d.state) end, d.reason, has_begun(d),
                   case
                       when d.first_child is not null then (
                           select json_agg(json_build_array(local_name(c.name), c.state, c.reason, has_begun(c)) order by c.id)
                             from steps c
                            where (c.role is null or c.role not in ('gate', 'end'))
                              and c.id >= sibling_of(d.id, d.first_child) and c.id < sibling_of(d.id, d.first_child + d.children)
                       )
                   end
               )
           )::text
      from steps s
     cross join lateral unnest(coalesce(s.all_inputs, p_ordinals)) as o(ordinal)
      join steps d on d.id = any(array[sibling_of(p_step, o.ordinal)])
      left join queue e on d.finished_at is null and e.step_id = any(array[d.id])
     where s.id = p_step
       and (d.role is null or d.role not in ('gate', 'end'))
       and (
               not exists (
                   select
                     from unnest(p_ordinals) as g(ordinal)
                     join steps t on t.id = any(array[sibling_of(p_step, g.ordinal)])
                    where t.first_child is not null
               )
               or outcomes_bytes(p_step, coalesce(s.all_inputs, p_ordinals)) <= p_most
           )
$$;
