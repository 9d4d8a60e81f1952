-- Count anew what steps with `needs` wait for, after some of their dependencies have ended.
--
--   enough completed   suspended -> queued. What it reads is fixed now, so that a later end does
--                      not change the arguments of a second attempt
--   out of reach       suspended -> cancelled if a missing one was discarded or cancelled, else
--                      skipped
--
-- Observed dependencies are always awaited.
-- released: steps for which nothing is pending; those that start cancel what they no longer need
--   (see cancel_rests). ended: steps that became final.
-- Locks: none; the caller holds the locks of the workflows.
create or replace function apply_needs(
    p_ids bigint[], p_moment timestamptz,
    out released bigint[], out ended bigint[]
)
language plpgsql
as $$
declare
    step record;
begin
    released := '{}';
    ended := '{}';
    for step in
        select s.id, s.needs, n.completed, n.open, n.observed, n.completed_ordinals, n.first_bad, n.first_skipped, n.gate
          from steps s
         cross join lateral (
             select count(*) filter (where not x.is_observed and d.state = 'completed')::integer as completed,
                    count(*) filter (where not x.is_observed and d.finished_at is null)::integer as open,
                    count(*) filter (where x.is_observed and d.finished_at is null)::integer as observed,
                    array_agg(o.ordinal) filter (where d.state = 'completed') as completed_ordinals,
                    min(d.state) filter (where d.role = 'gate' and d.state in ('cancelled', 'discarded', 'skipped')) as gate,
                    min(d.id) filter (where (d.role = 'gate' or not x.is_observed) and d.state in ('discarded', 'cancelled'))
                        as first_bad,
                    min(d.id) filter (where (d.role = 'gate' or not x.is_observed) and d.state = 'skipped') as first_skipped
               from unnest(s.dependencies) as o(ordinal)
               join steps d on d.id = any(array[sibling_of(s.id, o.ordinal)])
              -- The gate of its group has to open, and is none of those that it needs.
              cross join lateral (select edge_observes(s, o.ordinal) or d.role is not distinct from 'gate' as is_observed) as x
         ) as n
         where s.id = any(p_ids)
           and s.state = 'suspended'
         order by s.id
    loop
        if step.gate is not null or step.completed + step.open < step.needs then
            update steps s
               set state = case
                               when step.gate = 'skipped' then 'skipped'
                               when step.gate is not null then 'cancelled'
                               when step.first_bad is not null then 'cancelled'
                               else 'skipped'
                           end,
                   pending = 0,
                   finished_at = p_moment,
                   reason = left(
                       case
                           when step.gate is not null then 'its workflow was ' || step.gate
                           else
                               format(
                                   'it needs %s of its dependencies, and only %s can complete',
                                   step.needs, step.completed + step.open
                               )
                       end
                       || coalesce((
                              select format('; step ''%s'' was %s', d.name, d.state) || coalesce(': ' || d.reason, '')
                                from steps d
                               where d.id = coalesce(step.first_bad, step.first_skipped)
                          ), ''),
                       2000
                   )
             where s.id = step.id;
            ended := ended || step.id;
        else
            update steps s
               set pending = greatest(0, step.needs - step.completed) + step.observed,
                   state = case when step.completed >= step.needs and step.observed = 0 then 'queued' else s.state end,
                   all_inputs = coalesce(s.all_inputs, s.inputs),
                   inputs = case
                                when step.completed >= step.needs and step.observed = 0 then
                                    nullif(
                                        array(
                                            select i.ordinal
                                              from unnest(coalesce(s.all_inputs, s.inputs)) with ordinality as i(ordinal, n)
                                             where i.ordinal = any(step.completed_ordinals)
                                             order by i.n
                                        ),
                                        '{}'
                                    )
                                else s.inputs
                            end
             where s.id = step.id;
            if step.completed >= step.needs and step.observed = 0 then
                released := released || step.id;
            end if;
        end if;
    end loop;
end $$;
