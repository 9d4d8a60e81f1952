-- Tell the pools of an entry due within two polls; what is due later the polls find by themselves.
create or replace function notify_due(p_soonest timestamptz, p_moment timestamptz) returns void
language plpgsql
as $$
begin
    if p_soonest <= p_moment + interval '10 seconds' then
        perform pg_notify(channel(), 'due ' || ceil(extract(epoch from p_soonest - p_moment) * 1000)::bigint);
    end if;
end $$;
