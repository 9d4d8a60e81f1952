-- End the groups whose joins are settled (see apply_outcomes, which holds the locks): each as its children say.
-- Returns the groups, which are final now. No attempt is spent, and their results stay with the children.
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
    ), judged as materialized (
        select e.step_id, e.token, e.pool, v.state, v.reason
          from ended e
         cross join lateral group_outcome(e.step_id) as v
    ), recorded as (
        -- executing -> completed, discarded, cancelled or skipped
        update steps s
           set state = j.state,
               reason = j.reason,
               outcome = 'joined',
               token = j.token,
               pool = j.pool,
               finished_at = p_moment
          from judged j
         where s.id = any(array[j.step_id])
     returning s.id
    )
    select coalesce(array_agg(r.id), '{}') into final from recorded r;
    return final;
end $$;
