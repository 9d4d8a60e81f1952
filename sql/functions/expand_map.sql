-- Expand a map: one child for each item, a copy of the map with its own arguments. Called and
-- replayed like expand.
--
-- p_total: how many children. p_most: how many steps the workflow may have.
-- p_base: null in the first call, then what that call returned. p_first: number of the first child
--   of this call.
-- p_args: the arguments of the children of this call, as JSON objects.
-- accepted, base, too_many: as in begin_expansion.
-- Locks: the workflow, then the entry (see begin_expansion).
create or replace function expand_map(
    p_step bigint, p_token uuid, p_total integer, p_most integer, p_base integer, p_first integer, p_is_last boolean,
    p_args text[],
    out accepted boolean, out base integer, out too_many integer
)
language plpgsql security definer
as $$
#variable_conflict use_column
begin
    accepted := true;
    base := p_base;
    if base is null then
        select b.accepted, b.base, b.too_many
          into accepted, base, too_many
          from begin_expansion(p_step, p_token, p_total, p_most) as b;
        if base is null then
            return;
        end if;
    end if;
    -- The terms that children have from their map. When and how often it started is the map's own
    -- affair.
    insert into steps (
        worker, queue, lane, units, priority, max_attempts, timeout, backoff, deadline, start_within,
        ignore_cancelled, ignore_discarded, ignore_skipped, takes_context,
        id, name, args, arg_refs, dependencies, dependents, inputs, parent, holds_slot,
        is_closing, undo, undo_inputs, pending, state
    )
    select m.worker, m.queue, m.lane, m.units, m.priority, m.max_attempts, m.timeout, m.backoff, m.deadline, m.start_within,
           m.ignore_cancelled, m.ignore_discarded, m.ignore_skipped, m.takes_context,
           sibling_of(p_step, (base + p_first + n.n - 1)::integer), m.name || '[' || p_first + n.n - 1 || ']', n.args::json,
           m.arg_refs, '{}', '{}', m.inputs, ordinal_of(p_step),
           coalesce(p_first + n.n <= m.concurrency, false),
           m.is_closing, m.undo, m.undo_inputs,
           case when p_first + n.n > m.concurrency then 1 else 0 end,
           case when p_first + n.n > m.concurrency then 'suspended' else 'queued' end
      from (
          select s.worker, s.queue, s.lane, s.units, s.priority, s.max_attempts, s.timeout, s.backoff, s.deadline, s.start_within,
                 s.ignore_cancelled, s.ignore_discarded, s.ignore_skipped, s.takes_context,
                 s.name, s.concurrency, s.is_closing, s.undo, s.undo_inputs,
                 (s.map ->> 'references')::json as arg_refs,
                 nullif(s.child_inputs, '{}') as inputs
            from steps s
           where s.id = p_step
          offset 0
      ) as m
     cross join unnest(p_args) with ordinality as n(args, n);
    if p_is_last then
        perform finish_expansion(p_step, base, p_total, p_total, null);
    end if;
end $$;
