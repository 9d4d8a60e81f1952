-- Upkeep, in small batches; every pool calls it, and there is no leader.
--
-- p_sweep: also mark pools dead, rescue and prune; otherwise only stage what is due.
-- p_keep: seconds for which finished workflows are kept; null for ever.
-- p_limit: how many entries or steps each part may touch.
-- next_in: seconds until the next entry is due, null if none is; 0 if rescuing or staging stopped at its limit. Whether there
-- is more to prune is seen by pruning until nothing is pruned.
-- Locks, in this order: pools, workflows, entries. Staging comes last because it takes entries.
create or replace function run_upkeep(
    p_sweep boolean, p_keep double precision, p_limit integer,
    out died integer, out lost integer, out given_back integer, out pruned integer, out staged integer,
    out next_in double precision
)
language plpgsql security definer
as $$
begin
    perform require_read_committed();
    died := 0;
    lost := 0;
    given_back := 0;
    pruned := 0;
    if p_sweep then
        died := mark_dead();
        select r.lost, r.given_back into lost, given_back from rescue(p_limit) as r;
        if p_keep is not null then
            pruned := prune(p_keep, p_limit);
        end if;
    end if;
    staged := stage(p_limit);
    if greatest(lost, given_back, staged) >= p_limit then
        next_in := 0;
    else
        select greatest(0, extract(epoch from q.scheduled_at - clock_timestamp()))
          into next_in
          from queue q
         where q.state in ('scheduled', 'retryable')
         order by q.scheduled_at
         limit 1;
    end if;
end $$;
