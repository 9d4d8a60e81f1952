-- Write how far attempts are, for steps whose claim it is, and notify those that follow them.
--
-- See write_records for the parameters. p_values: JSON objects of fraction and message.
-- Locks: rows of progress, in the order of their steps.
create or replace function write_progress(
    p_ids bigint[], p_tokens uuid[], p_kinds text[], p_numbers integer[], p_ages double precision[], p_values text[]
) returns void
language plpgsql
as $$
begin
    insert into progress (step_id, token, said_at, fraction, message)
    select distinct on (r.id)
           r.id, r.token, clock_timestamp() - interval '1 second' * r.age, (r.value::json ->> 'fraction')::double precision,
           r.value::json ->> 'message'
      from unnest(p_ids, p_tokens, p_kinds, p_numbers, p_ages, p_values) as r(id, token, kind, number, age, value)
     where r.kind = 'progress'
       and attempt_counts(r.id, r.token)
     order by r.id, r.number desc
        on conflict (step_id) do update
       set token = excluded.token,
           said_at = excluded.said_at,
           fraction = excluded.fraction,
           message = excluded.message;
    perform pg_notify(channel(), 'steps ' || w.key)
       from workflows w
      where w.key = any(array(
                select workflow_of(r.id) from unnest(p_ids, p_kinds) as r(id, kind) where r.kind = 'progress'
            ))
        and w.followed_until > clock_timestamp();
end $$;
