-- Delete whole workflows that finished more than p_keep seconds ago, up to p_limit steps (but at least one workflow).
-- Returns how many workflows. Those that somebody holds, to retry or to repeat an insert, are passed over.
--
-- Goes by the key, in pieces of p_limit workflows, on from where the last call stopped, and begins again when it comes to those
-- inserted less than p_keep seconds ago. Meets no others than those to be deleted, but for the few that ran for so long; past
-- these it goes 20 pieces a call. One pool prunes at a time, for the others nothing is to be done.
-- Locks: the row of upkeep, then the workflows; waits for neither.
create or replace function prune(p_keep double precision, p_limit integer) returns integer
language plpgsql
as $$
declare
    horizon timestamptz := clock_timestamp() - interval '1 second' * p_keep;
    pruned  integer := 0;
    room    integer := p_limit;
    came_to bigint;
    piece   record;
    gone    bigint[];
begin
    select u.pruned_to into came_to from upkeep u for no key update skip locked;
    if not found then
        return 0;
    end if;
    for n in 1 .. 20 loop
        with met as materialized (
            select w.key, w.total, w.inserted_at, coalesce(w.finished_at < horizon, false) as is_old
              from workflows w
             where w.key > came_to
             order by w.key
             limit p_limit
        ), summed as (
            select m.key, m.is_old, m.inserted_at,
                   sum(m.total) filter (where m.is_old) over (order by m.key) <= room as fits,
                   count(*) filter (where m.is_old) over (order by m.key) + pruned = 1 as is_first
              from met m
        )
        select array_agg(s.key order by s.key) filter (where s.is_old and (s.fits or s.is_first)) as old,
               bool_or(s.is_old and not (s.fits or s.is_first)) as is_full,
               (array_agg(s.key order by s.key desc))[1] as last,
               count(*) < p_limit or (array_agg(s.inserted_at order by s.key desc))[1] > horizon as is_end
          into piece
          from summed s;

        gone := array(
            select w.key
              from workflows w
             where w.key = any(piece.old)
               and w.finished_at < horizon
             order by w.key
               for update skip locked
        );
        delete from steps s
         using unnest(gone) as k(key)
         where s.id >= step_of(k.key, 0) and s.id < step_of(k.key + 1, 0);
        with deleted as (
            delete from workflows w where w.key = any(gone) returning w.total
        )
        select room - coalesce(sum(d.total), 0) into room from deleted d;
        pruned := pruned + cardinality(gone);

        came_to := case
                       when piece.is_full then coalesce(piece.old[cardinality(piece.old)], came_to)
                       when piece.is_end then 0
                       else piece.last
                   end;
        exit when piece.is_full or piece.is_end or room <= 0;
    end loop;
    update upkeep u set pruned_to = came_to where u.pruned_to <> came_to;
    return pruned;
end $$;
