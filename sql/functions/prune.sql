-- Delete whole workflows that finished more than p_keep seconds ago, up to p_limit steps (but at least one workflow).
-- Returns how many workflows. Those that somebody holds, to retry or to repeat an insert, are passed over.
create or replace function prune(p_keep double precision, p_limit integer) returns integer
language plpgsql
set search_path from current
as $$
declare
    keys   bigint[];
    totals integer[];
    gone   bigint[];
begin
    select array_agg(f.key), array_agg(f.total)
      into keys, totals
      from (
          select w.key, w.total
            from workflows w
           where w.finished_at < clock_timestamp() - interval '1 second' * p_keep
           order by w.finished_at
           limit 200
             for update skip locked
      ) as f;
    gone := array(
        select f.key
          from (
              select k.key, k.n, sum(k.total) over (order by k.n) as steps
                from unnest(keys, totals) with ordinality as k(key, total, n)
          ) as f
         where f.n = 1 or f.steps <= p_limit
    );
    delete from steps s
     using unnest(gone) as k(key)
     where s.id >= step_of(k.key, 0) and s.id < step_of(k.key + 1, 0);
    delete from workflows w where w.key = any(gone);
    return cardinality(gone);
end $$;
