-- How a group ends whose children are all final, as a workflow is judged by its steps: discarded with a discarded child that is
-- not ignored by each of at least one dependents, else cancelled with such a cancelled one, else skipped if all were skipped,
-- else completed. The reason names the first child that decided it, or the step below it that decided that one.
create or replace function group_outcome(p_id bigint, out state text, out reason text)
language plpgsql stable
as $$
#variable_conflict use_column
declare
    failed  integer;
    skipped integer;
    total   integer;
    first   record;
begin
    select s.ending ->> 'state', s.ending ->> 'reason' into state, reason from steps s where s.id = p_id;
    if state is not null then
        return;
    end if;
    select count(*) filter (where c.state = 'skipped' and c.role is null), count(*) filter (where c.role is null)
      into skipped, total
      from steps g
      join steps c on c.id >= sibling_of(g.id, g.first_child) and c.id < sibling_of(g.id, g.first_child + g.children)
     where g.id = p_id;
    with unforgiven as (
        select c.id, c.name, c.state, c.reason, 
               c.first_child is not null and c.reason ~ '^(\d+ of its \d+ children were \w+; first )?step ''' as is_judged
          from steps g
          join steps c on c.id >= sibling_of(g.id, g.first_child) and c.id < sibling_of(g.id, g.first_child + g.children)
         where g.id = p_id
           and c.state in ('discarded', 'cancelled')
           and not c.not_needed
           and not failure_is_ignored(c)
    )
    select u.name, u.state, u.reason, u.is_judged, (select count(*) from unforgiven o where o.state = u.state)::integer as alike
      into first
      from unforgiven u
     order by u.state = 'cancelled', u.id
     limit 1;
    if first.state is not null then
        state := first.state;
        reason := case
                      when first.is_judged then first.reason
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
