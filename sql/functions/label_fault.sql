-- What is wrong with the key and the tags of a workflow, each of which may be null; null for
-- nothing.
create or replace function label_fault(p_key json, p_tags json) returns text
language plpgsql
as $$
begin
    if p_key is not null then
        if json_typeof(p_key) <> 'object' then
            return 'a key that is not a JSON object';
        end if;
        perform check_keys(p_key, '{key,if_running,seconds}', 'a key');
        if (json_typeof(p_key -> 'key') = 'string') is not true
           or name_fault(p_key ->> 'key', false) is not null then
            return 'a key that ' || coalesce(name_fault(p_key ->> 'key', false), 'is not a string');
        elsif coalesce(p_key ->> 'if_running', 'return')
              not in ('return', 'refuse', 'replace', 'replace unless begun') then
            return 'a key whose if_running is none of '
                   || 'return, refuse, replace, replace unless begun';
        elsif p_key -> 'seconds' is not null
              and (json_typeof(p_key -> 'seconds') = 'number'
                   and (p_key ->> 'seconds')::double precision between 0 and 3162240000
              ) is not true then
            return 'a key that stays taken for a time that is not 0 seconds or more, '
                   || 'and at most a hundred years';
        end if;
    end if;
    if p_tags is not null then
        if json_typeof(p_tags) <> 'object' then
            return 'tags that are not a JSON object';
        elsif (
            select count(*) > 50 or count(*) <> count(distinct t.key)
              from json_object_keys(p_tags) as t(key)
        ) then
            return 'more than 50 tags, or two of one name';
        end if;
        return (
            select min('a tag that ' || coalesce(
                       name_fault(t.key, false), name_fault(t.value, false),
                       'has a value that is not a string'
                   ))
              from json_each_text(p_tags) as t(key, value)
             where name_fault(t.key, false) is not null
                or name_fault(t.value, false) is not null
                or json_typeof(p_tags -> t.key) <> 'string'
        );
    end if;
    return null;
end $$;
