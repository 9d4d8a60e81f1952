-- Give the entries that no living pool runs to other pools, up to p_limit of each kind.
--
-- See orphaned_entries for the kinds. A lease is not read here: mark_dead alone decides, and a dead
-- pool stays dead. A batch that fails is halved until the entries that make it fail are alone;
-- these are passed over.
-- Attempts that had not really ended are forgotten if no living pool runs them (see
-- end_lost_attempts).
-- lost, given_back: how many entries of each kind were settled. is_more: it stopped at its limit.
-- passed_over, errors: parallel; the steps that were passed over, in words, and why.
-- Locks: workflows, then their entries. Entries of a workflow that stays locked are left to the
-- next sweep.
create or replace function rescue(
    p_limit integer,
    out lost integer, out given_back integer, out is_more boolean, out passed_over text[], out errors text[]
)
language plpgsql security definer
as $$
declare
    ids     bigint[];
    tokens  uuid[];
    kinds   text[];
    details text[];
    firsts  integer[] := '{}';
    lasts   integer[] := '{}';
    n       integer;
    first   integer;
    last    integer;
    settled record;
    ended   integer;
begin
    perform require_read_committed();
    lost := 0;
    given_back := 0;
    select array_agg(o.step_id order by o.step_id), array_agg(o.token order by o.step_id),
           array_agg(o.kind order by o.step_id), array_agg(o.detail order by o.step_id)
      into ids, tokens, kinds, details
      from orphaned_entries(p_limit) as o;
    if ids is not null then
        firsts := array[1];
        lasts := array[cardinality(ids)];
    end if;
    -- A stack of ranges, taken in ascending order of step ids: workflows are locked in the order of
    -- their keys.
    while cardinality(firsts) > 0 loop
        n := cardinality(firsts);
        first := firsts[n];
        last := lasts[n];
        firsts := firsts[:n - 1];
        lasts := lasts[:n - 1];
        begin
            settled := settle_orphans(ids[first:last], tokens[first:last], kinds[first:last], details[first:last]);
            lost := lost + settled.lost;
            given_back := given_back + settled.given_back;
        exception
            when insufficient_resources or operator_intervention or system_error then
                raise;
            when lock_not_available or transaction_rollback then
                null;
            when others then
                if first = last then
                    passed_over := passed_over || step_in_words(ids[first]);
                    errors := errors || format('%s (%s)', sqlerrm, sqlstate);
                else
                    n := (first + last) / 2;
                    firsts := firsts || array[n + 1, first];
                    lasts := lasts || array[last, n];
                end if;
        end;
    end loop;
    ended := end_lost_attempts(p_limit);
    is_more := greatest(lost, given_back, ended) >= p_limit;
end $$;
