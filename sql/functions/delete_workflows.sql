-- Delete these workflows with all their steps. Returns how many steps.
--
-- p_keep_usage: seconds for which calls of language models are kept; null deletes all of theirs.
-- Locks: none; prune has locked the workflows.
create or replace function delete_workflows(p_keys bigint[], p_keep_usage double precision) returns integer
language plpgsql
as $$
declare
    steps_deleted integer;
begin
    delete from steps s
     using unnest(p_keys) as k(key)
     where s.id >= step_of(k.key, 0) and s.id < step_of(k.key + 1, 0);
    delete from unended_attempts u
     using unnest(p_keys) as k(key)
     where u.step_id >= step_of(k.key, 0) and u.step_id < step_of(k.key + 1, 0);
    delete from kept e
     using unnest(p_keys) as k(key)
     where e.step_id >= step_of(k.key, 0) and e.step_id < step_of(k.key + 1, 0);
    delete from stream_chunks c where c.workflow = any(p_keys);
    delete from streams t where t.workflow = any(p_keys);
    delete from progress p
     using unnest(p_keys) as k(key)
     where p.step_id >= step_of(k.key, 0) and p.step_id < step_of(k.key + 1, 0);
    delete from used_units u
     using unnest(p_keys) as k(key)
     where u.step_id >= step_of(k.key, 0) and u.step_id < step_of(k.key + 1, 0);
    delete from debug_records r
     using unnest(p_keys) as k(key)
     where r.step_id >= step_of(k.key, 0) and r.step_id < step_of(k.key + 1, 0);
    delete from deadlines d
     using unnest(p_keys) as k(key)
     where d.step_id >= step_of(k.key, 0) and d.step_id < step_of(k.key + 1, 0);
    -- Nothing is found by them without these look-ups, and most workflows have neither.
    delete from run_tags t
     using workflows w
     cross join lateral json_each_text(w.tags) as g(name, value)
     where w.key = any(p_keys)
       and w.tags is not null
       and t.name = g.name and t.value = g.value and t.workflow = w.key;
    delete from paused_steps p
     using unnest(p_keys) as k(key)
     where p.step_id >= step_of(k.key, 0) and p.step_id < step_of(k.key + 1, 0);
    delete from paused_starts p where p.subject = any(array(select 'run ' || k.key from unnest(p_keys) as k(key)));
    delete from run_keys k
     using workflows w
     where w.key = any(p_keys)
       and w.run_key is not null
       and k.key = w.run_key
       and k.workflow = w.key;
    delete from signals g where g.workflow = any(p_keys);
    delete from messages m where m.workflow = any(p_keys);
    delete from interventions i where i.workflow = any(p_keys);
    delete from receivers r where r.workflow = any(p_keys);
    delete from awaited_runs a
     using unnest(p_keys) as k(key)
     where a.step_id >= step_of(k.key, 0) and a.step_id < step_of(k.key + 1, 0);
    delete from budgets b where b.workflow = any(p_keys);
    delete from budget_reservations r
     using unnest(p_keys) as k(key)
     where r.step_id >= step_of(k.key, 0) and r.step_id < step_of(k.key + 1, 0);
    delete from budget_waits u
     using unnest(p_keys) as k(key)
     where u.step_id >= step_of(k.key, 0) and u.step_id < step_of(k.key + 1, 0);
    delete from model_calls c
     using unnest(p_keys) as k(key)
     where c.step_id >= step_of(k.key, 0) and c.step_id < step_of(k.key + 1, 0)
       and (p_keep_usage is null or c.at < clock_timestamp() - interval '1 second' * least(p_keep_usage, 1e10));
    with deleted as (
        delete from workflows w where w.key = any(p_keys) returning w.total
    )
    select coalesce(sum(d.total), 0) into steps_deleted from deleted d;
    return steps_deleted;
end $$;
