-- Give the groups whose joins are settled their final state, as their children say.
--
-- No attempt is spent, and the results stay with the children. Returns the groups, which are final
-- now.
-- Locks: none; apply_outcomes has taken them.
create or replace function apply_joins(p_ids bigint[], p_tokens uuid[], p_kinds text[], p_moment timestamptz) returns bigint[]
language plpgsql
as $$
declare
    final bigint[];
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
        select e.step_id, e.token, e.pool, v.state, v.reason
          from ended e
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
     returning s.id
    )
    select coalesce(array_agg(r.id), '{}') into final from recorded r;
    return final;
end $$;
