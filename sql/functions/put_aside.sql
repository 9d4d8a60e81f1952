-- Put aside the steps that a claim took although their run or worker is paused, and return the
-- others. They wait, in no index that a claim looks at, until that is resumed; the attempt is not
-- counted. What ends a group is no start, and goes on.
--
-- The pools are notified: behind what was put aside there may be work for them.
-- p_taken …: as claim_entries returned them.
-- Locks: rows of paused_starts, without waiting: what is being resumed may start. The caller holds
-- the entries.
create or replace function put_aside(
    p_taken bigint[], p_attempts integer[], p_joins boolean[], p_queues text[], p_counts integer[],
    out taken bigint[], out attempts integer[], out joins boolean[], out counts integer[]
)
language plpgsql
as $$
declare
    paused text[];
    aside  bigint[];
    freed  record;
begin
    taken := p_taken;
    attempts := p_attempts;
    joins := p_joins;
    counts := p_counts;
    if cardinality(p_taken) > 0 is not true then
        return;
    end if;
    -- Share lock, so that a resume finds what is put aside here.
    paused := array(
        select p.subject
          from paused_starts p
         where p.subject = any(array(
                   select u.subject
                     from steps s
                    cross join lateral (
                              values ('run ' || workflow_of(s.id)), ('worker ' || s.worker)
                          ) as u(subject)
                    where s.id = any(p_taken)
               ))
           for key share skip locked
    );
    aside := array(
        select s.id
          from unnest(p_taken, p_joins) as t(id, is_join)
          join steps s on s.id = any(array[t.id])
         where not t.is_join
           and ('run ' || workflow_of(s.id) = any(paused) or 'worker ' || s.worker = any(paused))
    );
    if aside = '{}' then
        return;
    end if;
    insert into paused_steps (step_id)
    select a.id from unnest(aside) as a(id) order by a.id
        on conflict do nothing;
    with given_back as (
        -- executing -> waiting
        update queue q
           set state = 'waiting',
               pool = null,
               token = null,
               slot = null,
               attempt = q.attempt - 1
         where q.step_id = any(aside)
     returning q.queue
    )
    select array_agg(g.queue) as queues, array_agg(g.n) as counts
      into freed
      from (select b.queue, count(*)::integer as n from given_back b group by b.queue) as g;
    perform notify_queues(freed.queues, freed.counts);
    select array_agg(t.id order by t.n), array_agg(t.attempt order by t.n),
           array_agg(t.is_join order by t.n)
      into taken, attempts, joins
      from unnest(p_taken, p_attempts, p_joins) with ordinality as t(id, attempt, is_join, n)
     where t.id <> all(aside);
    counts := array(
        select c.n - coalesce(freed.counts[array_position(freed.queues, c.queue)], 0)
          from unnest(p_queues, p_counts) with ordinality as c(queue, n, place)
         order by c.place
    );
end $$;
