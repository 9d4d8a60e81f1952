-- Give the groups whose joins are settled their final state, as their children say. One that is
-- completed and has been asked for another round begins it (see repeat_groups).
--
-- No attempt is spent, and the results stay with the children.
-- final: the groups that are final now. queues: the queue of each that is available again.
-- Locks: none; apply_outcomes has taken them.
create or replace function apply_joins(
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_moment timestamptz,
    out final bigint[], out queues text[]
)
language plpgsql
as $$
declare
    repeated record;
begin
    with ended as (
        delete from queue q
         using unnest(p_ids, p_tokens, p_kinds) as o(id, token, kind)
         where q.step_id = any(array[o.id])
           and q.token = o.token
           and q.is_join
           and o.kind = 'joined'
     returning q.step_id, q.token, q.pool
    ), decided as materialized (
        select e.step_id, e.token, e.pool, v.state, v.reason, v.state = 'completed' and s.again is not null as is_repeated
          from ended e
          join steps s on s.id = any(array[e.step_id])
         cross join lateral group_outcome(e.step_id) as v
    ), recorded as (
        -- executing -> completed, discarded, cancelled or skipped
        update steps s
           set state = d.state,
               reason = d.reason,
               outcome = 'joined',
               token = d.token,
               pool = d.pool,
               finished_at = p_moment
          from decided d
         where s.id = any(array[d.step_id])
           and not d.is_repeated
     returning s.id
    )
    select (select coalesce(array_agg(r.id), '{}') from recorded r) as ids,
           array_agg(d.step_id) as groups, array_agg(d.token) as tokens, array_agg(d.pool) as pools
      into repeated
      from decided d
     where d.is_repeated;
    final := repeated.ids;
    if repeated.groups is not null then
        queues := repeat_groups(repeated.groups, repeated.tokens, repeated.pools, p_moment);
    end if;
end $$;
