-- Give back what no living pool runs, up to p_limit entries of each sort:
--   entries of pools marked dead, or unknown: a late claim may commit after its pool was swept. The attempt is lost.
--   entries claimed before their pool's previous beat under a token that its latest beat does not list: the answer to
--   the claim never arrived. The attempt is given back.
-- The lease is not read here: mark_dead alone decides, and a dead pool stays dead.
-- Waits for the workflows and entries like everyone; if one stays locked, takes those that are free and leaves it to the
-- next sweep.
create or replace function rescue(p_limit integer, out lost integer, out given_back integer)
language plpgsql
as $$
declare
    ids     bigint[];
    tokens  uuid[];
    kinds   text[];
    details text[];
    applied record;
    keys    bigint[];
    free    bigint[];
begin
    select array_agg(f.step_id), array_agg(f.token), array_agg(f.kind), array_agg(f.detail)
      into ids, tokens, kinds, details
      from (
          (select q.step_id, q.token, 'lost' as kind,
                  format('the worker pool that ran it was lost (pool %s)', q.pool) as detail
             from queue q
            where q.state = 'executing'
              and not exists (select from pools p where p.id = q.pool and p.dead_at is null)
            -- In no order: a locked workflow with more lost entries than the limit must not be all that is ever tried.
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
      ) as f;
    lost := 0;
    given_back := 0;
    if ids is null then
        return;
    end if;

    begin
        select a.accepted, a.queues, a.counts into applied
          from apply_outcomes(ids, tokens, kinds, details, array_fill(null::text, array[cardinality(ids)]),
                              array_fill(null::double precision, array[cardinality(ids)])) as a;
    exception when lock_not_available then
        keys := array(
            select w.key
              from workflows w
             where w.key in (select workflow_of(o.id) from unnest(ids) as o(id))
             order by w.key
               for no key update skip locked
        );
        free := array(
            select q.step_id
              from queue q
             where q.step_id = any(ids)
               and workflow_of(q.step_id) = any(keys)
             order by q.step_id
               for update skip locked
        );
        select array_agg(o.id), array_agg(o.token), array_agg(o.kind), array_agg(o.detail)
          into ids, tokens, kinds, details
          from unnest(ids, tokens, kinds, details) as o(id, token, kind, detail)
         where o.id = any(free);
        if ids is null then
            return;
        end if;
        select a.accepted, a.queues, a.counts into applied
          from apply_outcomes(ids, tokens, kinds, details, array_fill(null::text, array[cardinality(ids)]),
                              array_fill(null::double precision, array[cardinality(ids)])) as a;
    end;
    perform notify_queues(applied.queues, applied.counts);
    select count(*) filter (where o.kind = 'lost'), count(*) filter (where o.kind = 'given_back')
      into lost, given_back
      from unnest(kinds, applied.accepted) as o(kind, is_accepted)
     where o.is_accepted;
end $$;
