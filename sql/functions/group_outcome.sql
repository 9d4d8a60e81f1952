-- How a group ends whose children are all final.
--
-- It is judged like a workflow: discarded if a discarded child is not forgiven, else cancelled if a
-- cancelled one is not, else skipped if all were skipped, else completed. The reason names the
-- first child that decided it, or the step below that child which decided the child's own outcome.
create or replace function group_outcome(p_id bigint, out state text, out reason text)
language plpgsql stable
as $$
#variable_conflict use_column
declare
    failed  integer;
    skipped integer;
    total   integer;
    first   record;
    is_limited boolean;
begin
    select s.ending ->> 'state', case when s.ending ->> 'state' <> 'completed' then s.ending ->> 'reason' end
      into state, reason
      from steps s
     where s.id = p_id;
    if state is not null then
        return;
    end if;
    is_limited := (select s.failures_left is not null from steps s where s.id = p_id);
    if is_limited then
        select v.state, v.reason into state, reason from map_verdict(p_id) as v;
        if state is not null then
            reason := case when state <> 'completed' then reason end;
            return;
        end if;
    end if;
    select count(*) filter (where c.state = 'skipped' and c.role is null), count(*) filter (where c.role is null)
      into skipped, total
      from steps g
      join steps c on c.id >= sibling_of(g.id, g.first_child) and c.id < sibling_of(g.id, g.first_child + g.children)
     where g.id = p_id;
    with failures as (
        select c.id, c.name, c.state, c.reason,
               -- A group's reason names the step below it that decided, unless the group was
               -- cancelled itself.
               c.first_child is not null and c.reason ~ '^(\d+ of its \d+ children were \w+; first )?step ''' as names_a_step
          from steps g
          join steps c on c.id >= sibling_of(g.id, g.first_child) and c.id < sibling_of(g.id, g.first_child + g.children)
         where g.id = p_id
           and c.state in ('discarded', 'cancelled')
           and not c.not_needed
           and not is_limited
           and not failure_is_ignored(c)
    )
    select f.name, f.state, f.reason, f.names_a_step,
           (select count(*) from failures o where o.state = f.state)::integer as alike
      into first
      from failures f
     order by f.state = 'cancelled', f.id
     limit 1;
    if first.state is not null then
        state := first.state;
        reason := case
                      when first.names_a_step then first.reason
                      else format('step ''%s'' was %s', first.name, first.state) || coalesce(': ' || first.reason, '')
                  end;
        reason := left(
            case
                when first.alike > 1 then format('%s of its %s children were %s; first ', first.alike, total, first.state)
                else ''
            end || reason,
            2000
        );
    elsif skipped = total then
        state := 'skipped';
        reason := coalesce(
            (
                select c.reason
                  from steps g
                  join steps c on c.id >= sibling_of(g.id, g.first_child) and c.id < sibling_of(g.id, g.first_child + g.children)
                 where g.id = p_id
                   and c.role = 'gate'
            ),
            'all of its children were skipped'
        );
    else
        state := 'completed';
    end if;
end $$;
