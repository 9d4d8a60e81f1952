-- Write the tags of workflows that have just been inserted, so that they can be found by them.
create or replace function write_tags(p_keys bigint[]) returns void
language sql
as $$
    insert into run_tags (name, value, workflow)
    select t.key, t.value, w.key
      from workflows w
     cross join lateral json_each_text(w.tags) as t(key, value)
     where w.key = any(p_keys)
       and w.tags is not null
$$;
