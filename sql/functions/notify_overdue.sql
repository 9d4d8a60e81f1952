-- Notify pools of a deadline that is due within two polls. They find later ones by themselves.
create or replace function notify_overdue(p_soonest timestamptz, p_moment timestamptz) returns void
language plpgsql
as $$
begin
    if p_soonest <= p_moment + interval '10 seconds' then
        perform pg_notify(channel(), 'end ' || greatest(0, ceil(extract(epoch from p_soonest - p_moment) * 1000))::bigint);
    end if;
end $$;
