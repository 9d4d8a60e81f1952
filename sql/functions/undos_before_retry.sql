-- What a retry must know about undos and closing steps.
--
-- refused: closing steps and undos that are not final, while the workflow or their group is being
--   ended; or undos that failed, unless they are what is to be retried, or p_forward leaves what
--   was undone as it is. So are undos of steps of earlier rounds, which cannot run again.
-- undone: the steps that were undone and are to run again, with all that is downstream of them.
-- Locks: none; the caller holds the lock of the workflow.
create or replace function undos_before_retry(
    p_key bigint, p_names text[], p_forward boolean,
    out refused text[], out undone bigint[]
)
language plpgsql stable
as $$
begin
    undone := '{}';
    refused := array(
        select s.name
          from steps s
         where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
           and s.is_closing
           and s.finished_at is null
           and s.role in ('always', 'on failure', 'undo')
           and (
                   exists (select from workflows w where w.key = p_key and w.ending is not null)
                   or exists (select from steps g where g.id = sibling_of(s.id, s.parent) and g.ending is not null and g.finished_at is null)
               )
    );
    if cardinality(refused) > 0 then
        return;
    end if;
    if p_names <> '{}' and not exists (
        select n.name from unnest(p_names) as n(name)
        except
        select s.name from steps s where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0) and s.role = 'undo'
    ) then
        return;
    end if;
    if p_forward then
        return;
    end if;
    select coalesce(array_agg(s.name) filter (where s.state <> 'completed' or is_in_past_round(t.id)), '{}'),
           coalesce(array_agg(sibling_of(s.id, s.undoes)) filter (where s.state = 'completed' and not t.not_needed), '{}')
      into refused, undone
      from steps s
      left join steps t on t.id = any(array[sibling_of(s.id, s.undoes)])
     where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
       and s.role = 'undo';
end $$;
