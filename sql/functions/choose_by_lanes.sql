-- Choose entries of a queue with lanes: by priority, and within a priority lane by lane, round robin.
--
-- A few lanes after the one that this pool served last come first, then those in which a step has
-- ended, then those further round: 128 in all. With the freed ones first, a lane that never lacks
-- work would never give its slots up.
-- p_room, p_units: how many entries, and of how many units. p_moment: when they start.
-- p_memory: what the last call for this pool returned: `after`, the lane that was served last; where
--   the search goes on if it found nothing: `level`, a priority, and `turns`, how often it came to
--   the last lane there. p_freed: lanes in which a step has ended.
-- chosen: where the entries are. used: their units. blocked_by: see choose_in_lanes.
-- earned_at: when the first lane whose rate is used up has earned its next entry.
-- may_be_more: the caller asks again in a moment.
-- Locks: as choose_in_lanes.
create or replace function choose_by_lanes(
    p_setting queue_settings, p_room integer, p_units bigint, p_moment timestamptz, p_memory json, p_freed text[],
    out chosen tid[], out used bigint, out blocked_by bigint, out earned_at timestamptz, out may_be_more boolean, out memory json
)
language plpgsql
as $$
declare
    after   text := coalesce(p_memory ->> 'after', '');
    level   smallint := coalesce((p_memory ->> 'level')::smallint, 0);
    turns   integer := coalesce((p_memory ->> 'turns')::integer, 0);
    room    integer := p_room;
    looked  integer := 0;
    is_more boolean := false;
    here    text;
    round   integer;
    width   integer;
    turn    integer;
    names   text[];
    fresh   text[];
    met     text[];
    seen    text[] := '{}';
    one     record;
begin
    chosen := '{}';
    used := 0;
    <<levels>>
    loop
        select q.priority
          into level
          from queue q
         where q.state = 'available' and q.lane is not null and q.queue = p_setting.queue and q.priority >= level
         order by q.priority
         limit 1;
        exit when not found;
        here := after;
        width := greatest(4, ceil(room / 4.0));
        round := 0;
        met := '{}';
        loop
            turn := 4;
            if round = 1 then
                names := p_freed;
            else
                names := next_lanes(p_setting.queue, level, here, width);
                if coalesce(cardinality(names), 0) < width then
                    turns := turns + 1;
                    if here <> '' then
                        names := names || next_lanes(p_setting.queue, level, '', width - coalesce(cardinality(names), 0));
                    end if;
                end if;
                here := coalesce(names[cardinality(names)], '');
                -- To look at a lane costs as much as to claim half an entry, so a turn is four. More
                -- only if these are all the lanes there are: otherwise lanes at the end of the ring
                -- would get three times their share.
                if round = 0 and coalesce(cardinality(names), 0) < width then
                    turn := ceil(room::numeric / greatest(1, cardinality(names)));
                end if;
                width := width + width;
            end if;
            fresh := array(
                select u.lane
                  from unnest(names) with ordinality as u(lane, n)
                 where u.lane <> all(met)
                   and u.lane <> ''
                 group by u.lane
                 order by min(u.n)
            );
            if round > 1 and cardinality(fresh) = 0 then
                turns := 0;
                exit;
            end if;
            met := met || fresh;
            -- A lane is looked at once a claim, also if it has entries of several priorities: what
            -- was chosen is still available, and does not count yet.
            is_more := is_more or fresh && seen and cardinality(chosen) > 0;
            fresh := array(
                select u.lane from unnest(fresh) with ordinality as u(lane, n) where u.lane <> all(seen) order by u.n
            );
            if cardinality(fresh) > 0 then
                seen := seen || fresh;
                looked := looked + cardinality(fresh);
                one := choose_in_lanes(p_setting, level, fresh, turn, room, p_units - used, p_moment);
                chosen := chosen || one.chosen;
                room := room - cardinality(one.chosen);
                blocked_by := used + one.blocked_by;
                used := used + one.used;
                is_more := is_more or one.is_more;
                earned_at := least(earned_at, one.earned_at);
                if round <> 1 then
                    after := case when room > 0 and blocked_by is null then here else coalesce(one.last, after) end;
                end if;
            end if;
            exit levels when room <= 0 or blocked_by is not null or looked >= 128;
            round := round + 1;
        end loop;
        level := level + 1;
    end loop;
    if looked >= 128 and turns >= 2 then
        -- It came round once at least, so the next priority has its turn.
        level := level + 1;
        turns := 0;
    end if;
    may_be_more := room > 0 and blocked_by is null and (looked >= 128 or is_more);
    memory := case
                  when cardinality(chosen) = 0 and looked >= 128 and blocked_by is null then
                      json_build_object('after', after, 'level', level, 'turns', turns)
                  else json_build_object('after', after)
              end;
end $$;
