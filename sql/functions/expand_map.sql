-- A map expands: one child per item, each a copy of the map with arguments of its own. Called and replayed like expand.
--
-- p_total: how many children. p_first: number of the first one in this call. p_args: their arguments, as JSON objects.
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
        select b.accepted, b.base, b.too_many into accepted, base, too_many from begin_expansion(p_step, p_token, p_total, p_most) as b;
        if base is null then
            return;
        end if;
    end if;
    insert into steps (
        id, name, worker, args, arg_refs, queue, priority, max_attempts, timeout,
        ignore_cancelled, ignore_discarded, ignore_skipped, takes_context, dependencies, dependents, inputs,
        parent, holds_slot, pending, state
    )
    select sibling_of(p_step, (base + p_first + n.n - 1)::integer), g.name || '[' || p_first + n.n - 1 || ']', g.worker, n.args::json,
           g.arg_refs, g.queue, g.priority, g.max_attempts, g.timeout,
           g.ignore_cancelled, g.ignore_discarded, g.ignore_skipped, g.takes_context, '{}', '{}', g.inputs,
           g.ordinal, coalesce(p_first + n.n <= g.concurrency, false),
           case when p_first + n.n > g.concurrency then 1 else 0 end,
           case when p_first + n.n > g.concurrency then 'suspended' else 'queued' end
      from (
          select s.name, s.worker, s.queue, s.priority, s.max_attempts, s.timeout, s.concurrency,
                 s.ignore_cancelled, s.ignore_discarded, s.ignore_skipped, s.takes_context,
                 (s.id & 4194303)::integer as ordinal,
                 (s.map ->> 'references')::json as arg_refs,
                 nullif(s.child_inputs, '{}') as inputs
            from steps s
           where s.id = p_step
          offset 0
      ) as g
     cross join unnest(p_args) with ordinality as n(args, n);
    if p_is_last then
        perform finish_expansion(p_step, base, p_total, p_total, null);
    end if;
end $$;
