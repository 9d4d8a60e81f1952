-- The steps of a workflow with their states now, without the engine's own.
--
-- ids, names, states: parallel, in the order of the steps.
create or replace function step_states(p_key bigint, out ids bigint[], out names text[], out states text[])
language sql stable
as $$
    select coalesce(array_agg(s.id order by s.id), '{}'), coalesce(array_agg(s.name order by s.id), '{}'),
           coalesce(array_agg(coalesce(q.state::text, s.state::text) order by s.id), '{}')
      from steps s
      left join lateral (select e.state from queue e where e.step_id = s.id offset 0) q on true
     where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
       and (s.role is null or s.role not in ('gate', 'end'))
$$;
