-- Append what attempts publish to streams of their run, and notify those that follow them.
--
-- See write_records for the parameters. p_keys: the stream. p_values: JSON lists of items. An item
-- gets the next number of its stream. A row that is written already is left out. A record `stream
-- kept` says that the attempt snoozes or begins another round.
-- The first row of an attempt takes the place of what the attempt before it published, unless that
-- is kept: a retry begins anew.
-- Locks: rows of streams, in the order of their keys; writers of a stream follow one another, so
-- numbers become visible in order.
create or replace function write_streams(
    p_ids bigint[], p_tokens uuid[], p_attempts integer[], p_kinds text[], p_keys text[], p_numbers integer[], p_values text[]
) returns void
language plpgsql
as $$
declare
    part    record;
    stream  record;
    latest  record;
    is_anew boolean;
begin
    for part in
        select r.id, r.token, r.attempt, r.key, r.number, r.value, json_array_length(r.value::json) as items
          from unnest(p_ids, p_tokens, p_attempts, p_kinds, p_keys, p_numbers, p_values)
               as r(id, token, attempt, kind, key, number, value)
         where r.kind = 'stream'
           and (
                   exists (select from queue q where q.step_id = any(array[r.id]) and q.token = r.token)
                   or exists (select from steps s where s.id = any(array[r.id]) and s.token = r.token)
               )
         order by workflow_of(r.id), r.key collate "C", r.id, r.number
    loop
        insert into streams (workflow, name) values (workflow_of(part.id), part.key) on conflict do nothing;
        select s.last, s.followed_until
          into stream
          from streams s
         where s.workflow = workflow_of(part.id) and s.name = part.key
           for no key update;
        select c.token, c.record, c.is_kept
          into latest
          from stream_chunks c
         where c.step_id = part.id and c.stream = part.key
         order by c.number desc
         limit 1;
        continue when latest.token = part.token and latest.record >= part.number;
        -- Settled meanwhile, and the next attempt has begun to publish.
        continue when latest.token <> part.token
             and exists (select from queue q where q.step_id = any(array[part.id]) and q.token = latest.token);
        is_anew := latest.token <> part.token and not latest.is_kept;
        if is_anew then
            delete from stream_chunks c where c.step_id = part.id and c.stream = part.key and c.token = latest.token;
        end if;
        insert into stream_chunks (workflow, stream, number, step_id, token, attempt, round, record, is_anew, items)
        select workflow_of(part.id), part.key, stream.last + 1, part.id, part.token, part.attempt,
               -- With the outcome that asks for another round, that round is counted already.
               s.round - coalesce(s.token = part.token and s.outcome = 'again', false)::integer,
               part.number, coalesce(is_anew, false), part.value::json
          from steps s
         where s.id = any(array[part.id]);
        update streams s
           set last = s.last + part.items
         where s.workflow = workflow_of(part.id) and s.name = part.key;
        if stream.followed_until > clock_timestamp() then
            perform pg_notify(channel(), 'stream ' || workflow_of(part.id));
        end if;
    end loop;
    if 'stream kept' = any(p_kinds) then
        update stream_chunks c
           set is_kept = true
          from unnest(p_ids, p_tokens, p_kinds) as r(id, token, kind)
         where c.step_id = any(array[r.id])
           and c.token = r.token
           and r.kind = 'stream kept';
    end if;
end $$;
