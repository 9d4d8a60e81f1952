-- Write the undos of a workflow that ends badly: one for each final step that began and has one.
--
-- They run one after the other, the last step to end first, and each observes the one before. The
-- undos of one map's children run side by side, with a gate behind them.
-- p_end: the `end` step that waits for them; null for none.
-- p_steps: only of these steps; null for all.
-- Returns the undos that wait for nothing, for the caller to release.
-- Locks: none; the caller holds the lock of the workflow.
create or replace function write_undos(p_key bigint, p_end bigint, p_steps bigint[], p_moment timestamptz) returns bigint[]
language plpgsql
as $$
declare
    base    integer;
    members bigint[];
    ranks   integer[];
    total   integer;
    last    integer;
    ready   bigint[];
    undone  integer[];
begin
    select coalesce(w.next_ordinal, w.total) into base from workflows w where w.key = p_key and w.has_undo;
    if not found then
        return '{}';
    end if;
    -- Read once: looked up for each step it would be quadratic.
    undone := array(
        select u.undoes
          from steps u
         where u.id >= step_of(p_key, 0) and u.id < step_of(p_key + 1, 0)
           and u.undoes is not null
    );
    with armed as (
        select s.id,
               coalesce(m.id, s.id) as together,
               max(s.finished_at) over (partition by coalesce(m.id, s.id)) as ended_at
          from steps s
          left join steps m on m.id = any(array[sibling_of(s.id, s.parent)]) and m.grouping = 'map'
         where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
           and s.undo is not null
           and s.began
           and s.finished_at is not null
           and (p_steps is null or s.id = any(p_steps))
           and ordinal_of(s.id) <> all(undone)
           and not is_in_forgiven_group(s.id)
    )
    select array_agg(a.id order by a.ended_at desc, a.together desc, a.id),
           array_agg(a.rank::integer order by a.ended_at desc, a.together desc, a.id)
      into members, ranks
      from (select r.id, r.ended_at, r.together, dense_rank() over (order by r.ended_at desc, r.together desc) as rank from armed r) as a;
    if members is null then
        return '{}';
    end if;

    with ranked as (
        select m.id, m.rank, (m.n - 1)::integer as n from unnest(members, ranks) with ordinality as m(id, rank, n)
    ), levels as (
        -- first: the place of the level's first undo. ending: the place of what the next level
        -- waits for, which is its only undo or its gate.
        select l.rank, l.size, l.first + l.gates as first, l.first + l.gates + case when l.size > 1 then l.size else 0 end as ending
          from (
              select r.rank, count(*)::integer as size, min(r.n) as first,
                     coalesce(sum((count(*) > 1)::integer) over (order by r.rank rows between unbounded preceding and 1 preceding), 0)::integer as gates
                from ranked r
               group by r.rank
          ) as l
    ), neighbours as (
        select l.rank, l.size, l.first, l.ending,
               lag(l.ending) over (order by l.rank) as before,
               lead(l.first) over (order by l.rank) as next_first,
               lead(l.size) over (order by l.rank) as next_size
          from levels l
    ), chained as (
        select n.rank, n.size, n.first, n.ending, n.before,
               case
                   when n.next_first is not null then
                       array(select base + i from generate_series(n.next_first, n.next_first + n.next_size - 1) as i)
                   when p_end is not null then array[ordinal_of(p_end)]
                   else '{}'
               end as after
          from neighbours n
    ), places as (
        select r.id, c.rank, base + c.first + (row_number() over (partition by c.rank order by r.n) - 1)::integer as ordinal, c.size, c.before,
               case when c.size > 1 then array[base + c.ending] else c.after end as after
          from ranked r
          join chained c on c.rank = r.rank
    ), undos as (
        insert into steps (
            id, name, worker, queue, lane, units, priority, max_attempts, timeout, backoff, deadline, start_within,
            ignore_cancelled, ignore_discarded, ignore_skipped, takes_context,
            args, arg_refs, inputs, dependencies, edges, dependents, role, is_closing, is_last, undoes, generation, pending, state
        )
        select step_of(p_key, p.ordinal), s.name || '[undo]', s.undo ->> 'worker', s.undo ->> 'queue', s.undo ->> 'lane',
               (s.undo ->> 'units')::integer, (s.undo ->> 'priority')::smallint,
               (s.undo ->> 'max_attempts')::integer, (s.undo ->> 'timeout')::double precision, s.undo -> 'backoff',
               (s.undo ->> 'deadline')::double precision, (s.undo ->> 'start_within')::double precision, true, true, true,
               coalesce((s.undo ->> 'takes_context')::boolean, false), (s.undo ->> 'args')::json, (s.undo ->> 'arg_refs')::json,
               coalesce(s.undo_inputs, '{}') || ordinal_of(s.id),
               case when p.before is null then '{}' else array[base + p.before] end,
               case when p.before is not null then array[15]::smallint[] end,
               p.after, 'undo', true, false, ordinal_of(s.id), s.generation,
               case when p.before is null then 0 else 1 end, case when p.before is null then 'queued' else 'suspended' end
          from places p
          join steps s on s.id = any(array[p.id])
     returning id, pending
    ), gates as (
        insert into steps (
            id, name, worker, queue, priority, max_attempts, ignore_cancelled, ignore_discarded, ignore_skipped, args,
            dependencies, edges, dependents, role, is_closing, is_last, undoes, pending, state
        )
        select step_of(p_key, base + c.ending), format('[undone %s]', base + c.ending), 'baton.workflow', 'default', 0, 1, true, true, true, '{}',
               array(select base + i from generate_series(c.first, c.first + c.size - 1) as i), array_fill(15::smallint, array[c.size]),
               c.after, 'gate', true, false, ordinal_of(members[1]), c.size, 'suspended'
          from chained c
         where c.size > 1
     returning id
    )
    select (select count(*) from undos) + (select count(*) from gates),
           (select array_agg(u.id order by u.id) from undos u where u.pending = 0),
           (select c.ending from chained c order by c.rank desc limit 1)
      into total, ready, last;

    update workflows w
       set total = w.total + written.n,
           next_ordinal = w.next_ordinal + written.n,
           remaining = w.remaining + written.n,
           state = 'executing',
           finished_at = null
      from (select total as n) as written
     where w.key = p_key;
    if p_end is not null then
        update steps s
           set dependencies = s.dependencies || (base + last),
               edges = coalesce(s.edges, array_fill(15::smallint, array[cardinality(s.dependencies)])) || 15::smallint,
               pending = 1,
               state = 'suspended'
         where s.id = p_end;
    end if;
    return ready;
end $$;
