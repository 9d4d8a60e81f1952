-- Which steps a retry by hand opens (see retry). The caller holds the lock of the workflow.
create or replace function steps_to_open(
    p_key bigint, p_names text[],
    out opening bigint[], out unknown text[], out refused text[]
)
language plpgsql stable
set search_path from current
as $$
declare
    named bigint[];
begin
    if p_names is null then
        opening := array(
            select s.id
              from steps s
             where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
               and s.state in ('discarded', 'cancelled')
             order by s.id
        );
        return;
    end if;

    select coalesce(array_agg(s.id), '{}'),
           array_agg(s.name) filter (where s.finished_at is null)
      into named, refused
      from steps s
     where s.id >= step_of(p_key, 0) and s.id < step_of(p_key + 1, 0)
       and s.name = any(p_names);
    unknown := array(
        select n.name
          from unnest(p_names) as n(name)
         where not exists (select from steps s where s.id = any(named) and s.name = n.name)
    );
    opening := array(
        with recursive below(id) as (
            select n.id from unnest(named) as n(id)
             union
            select c.id
              from below b
              join steps p on p.id = any(array[b.id])
             cross join lateral unnest(p.dependents) as o(ordinal)
              join steps c on c.id = any(array[sibling_of(p.id, o.ordinal)])
             where c.state in ('cancelled', 'skipped')
               and not ignores(p.state, c.ignore_cancelled, c.ignore_discarded, c.ignore_skipped)
        )
        select b.id from below b order by b.id
    );
end $$;
