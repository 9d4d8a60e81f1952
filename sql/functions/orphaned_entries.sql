-- The claimed entries that no living pool runs, up to p_limit of each kind, with the outcome for
-- each.
--
-- kind lost: the pool is marked dead, or is unknown, because a late claim may commit after its pool
--   was swept.
-- kind given_back: the entry was claimed before its pool's previous heartbeat, under a token that
--   the latest heartbeat does not list. The pool never received the answer to that claim.
create or replace function orphaned_entries(p_limit integer)
returns table (step_id bigint, token uuid, kind text, detail text)
language sql stable
as $$
    (select q.step_id, q.token, 'lost' as kind, format('the worker pool that ran it was lost (pool %s)', q.pool) as detail
       from queue q
      where q.state = 'executing'
        and not exists (select from pools p where p.id = q.pool and p.dead_at is null)
      -- In random order: if a locked workflow has more entries than the limit, others must get
      -- their turn.
      order by random()
      limit p_limit)
      union all
    (select q.step_id, q.token, 'given_back', null
       from pools p
       join queue q on q.pool = p.id and q.state = 'executing'
      where p.dead_at is null
        and q.attempted_at < p.previous_beat_at
        and q.token <> all(p.tokens)
      limit p_limit)
$$;
