-- Settle entries for which no living pool will send an outcome, and wake the pools that may run
-- them.
--
-- p_ids, p_tokens, p_kinds, p_details: parallel, as apply_outcomes takes them. See rescue.
-- lost, given_back: how many of each kind were accepted.
-- Locks: as apply_outcomes. If that ends in a lock timeout, only what nobody else has locked.
create or replace function settle_orphans(
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_details text[], out lost integer, out given_back integer
)
language plpgsql
as $$
declare
    ids     bigint[] := p_ids;
    tokens  uuid[] := p_tokens;
    kinds   text[] := p_kinds;
    details text[] := p_details;
    applied record;
    keys    bigint[];
    free    bigint[];
begin
    lost := 0;
    given_back := 0;
    begin
        applied := apply_outcomes(ids, tokens, kinds, details, '{}', '{}');
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
          from unnest(p_ids, p_tokens, p_kinds, p_details) as o(id, token, kind, detail)
         where o.id = any(free);
        if ids is null then
            return;
        end if;
        applied := apply_outcomes(ids, tokens, kinds, details, '{}', '{}');
    end;
    perform notify_queues(applied.queues, applied.counts);
    perform notify_freed(applied.freed, applied.freed_lanes);
    select count(*) filter (where o.kind = 'lost'), count(*) filter (where o.kind = 'given_back')
      into lost, given_back
      from unnest(kinds, applied.accepted) as o(kind, is_accepted)
     where o.is_accepted;
end $$;
