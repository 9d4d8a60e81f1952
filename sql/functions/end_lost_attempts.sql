-- Forget the attempts that had not ended (see end_attempts) of pools that are dead or unknown, up
-- to p_limit of them, so that what cleans up after their steps may start.
--
-- Returns how many. Those of workflows that somebody else has locked are left to the next sweep.
-- Locks: workflows, without waiting for any.
create or replace function end_lost_attempts(p_limit integer) returns integer
language plpgsql
as $$
declare
    lost  record;
    keys  bigint[];
    ended record;
begin
    select array_agg(u.step_id) as ids, array_agg(u.token) as tokens
      into lost
      from (
          select a.step_id, a.token
            from unended_attempts a
           where not exists (select from pools p where p.id = a.pool and p.dead_at is null)
           order by random()
           limit p_limit
      ) as u;
    if lost.ids is null then
        return 0;
    end if;
    keys := array(
        select w.key
          from workflows w
         where w.key = any(array(select workflow_of(l.id) from unnest(lost.ids) as l(id)))
         order by w.key
           for no key update skip locked
    );
    select array_agg(l.id) as ids, array_agg(l.token) as tokens
      into lost
      from unnest(lost.ids, lost.tokens) as l(id, token)
     where workflow_of(l.id) = any(keys);
    if lost.ids is null then
        return 0;
    end if;
    ended := end_attempts(lost.ids, lost.tokens);
    perform notify_queues(ended.queues, ended.counts);
    return cardinality(lost.ids);
end $$;
