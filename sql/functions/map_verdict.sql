-- How a map ends that tolerates failures or needs only some of its children, as soon as that is
-- decided; null before that, and if it stays within what it tolerates.
--
--   enough children completed     completed
--   not enough can complete       discarded; skipped if nothing but skips keeps it from that
--   more failed than it tolerates discarded; cancelled if all of these were cancelled
create or replace function map_verdict(p_id bigint, out state text, out reason text)
language plpgsql stable
as $$
#variable_conflict use_column
declare
    m     record;
    n     record;
    first record;
begin
    select s.name, s.first_child, s.children, (s.map ->> 'needs')::integer as needs, s.map ->> 'tolerate' as tolerate,
           map_allowance(s.map, s.children) as allowed
      into m
      from steps s
     where s.id = p_id;
    select count(*) filter (where c.state = 'completed')::integer as completed,
           count(*) filter (where c.finished_at is null)::integer as open,
           count(*) filter (where c.state in ('discarded', 'cancelled') and not c.not_needed)::integer as failed,
           coalesce(bool_or(c.state = 'discarded'), false) as has_discarded
      into n
      from steps c
     where c.id >= sibling_of(p_id, m.first_child) and c.id < sibling_of(p_id, m.first_child + m.children);
    if m.needs is not null and n.completed >= m.needs then
        state := 'completed';
        reason := format('step ''%s'' has the %s results that it needs', m.name, m.needs);
        return;
    end if;
    if m.needs is not null and n.completed + n.open < m.needs then
        state := case when n.failed > 0 then 'discarded' else 'skipped' end;
        reason := format('it needs %s of its %s children, and only %s can complete', m.needs, m.children, n.completed + n.open);
    elsif m.needs is null and n.failed > m.allowed then
        state := case when n.has_discarded then 'discarded' else 'cancelled' end;
        reason := format('%s of its %s children failed, and it tolerates %s', n.failed, m.children, m.tolerate);
    else
        return;
    end if;
    select c.name, c.state, c.reason
      into first
      from steps c
     where c.id >= sibling_of(p_id, m.first_child) and c.id < sibling_of(p_id, m.first_child + m.children)
       and c.state in ('discarded', 'cancelled', 'skipped')
       and not c.not_needed
     order by c.state = 'skipped', c.state = 'cancelled', c.finished_at, c.id
     limit 1;
    if first.name is not null then
        reason := left(
            reason || format('; first step ''%s'' was %s', first.name, first.state) || coalesce(': ' || first.reason, ''), 2000
        );
    end if;
end $$;
