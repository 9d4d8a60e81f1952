-- Write what attempts have left, apart from that of workflows that were pruned meanwhile.
--
-- See write_records for the parameters.
-- Locks: as write_records; the caller has locked the workflows that are still there.
create or replace function write_records_of_living(
    p_ids bigint[], p_tokens uuid[], p_attempts integer[], p_kinds text[], p_keys text[], p_numbers integer[],
    p_ages double precision[], p_values text[]
) returns void
language plpgsql
as $$
declare
    kept record;
begin
    select array_agg(r.id order by r.n) as ids, array_agg(r.token order by r.n) as tokens,
           array_agg(r.attempt order by r.n) as attempts, array_agg(r.kind order by r.n) as kinds,
           array_agg(r.key order by r.n) as keys, array_agg(r.number order by r.n) as numbers,
           array_agg(r.age order by r.n) as ages, array_agg(r.value order by r.n) as texts
      into kept
      from unnest(p_ids, p_tokens, p_attempts, p_kinds, p_keys, p_numbers, p_ages, p_values)
           with ordinality as r(id, token, attempt, kind, key, number, age, value, n)
      join lateral (select s.id from steps s where s.id = r.id offset 0) as s on true;
    if kept.ids is not null then
        perform write_records(
            kept.ids, kept.tokens, kept.attempts, kept.kinds, kept.keys, kept.numbers, kept.ages, kept.texts
        );
    end if;
end $$;
