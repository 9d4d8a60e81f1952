-- Notify pools of an entry that is due within two polls. They find later ones by themselves.
create or replace function notify_due(p_soonest timestamptz, p_moment timestamptz) returns void
language plpgsql
as $$
begin
    if p_soonest <= p_moment + interval '10 seconds' then
        perform pg_notify(channel(), 'due ' || ceil(extract(epoch from p_soonest - p_moment) * 1000)::bigint);
    end if;
end $$;
