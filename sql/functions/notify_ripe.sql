-- Notify pools of a wait that ends within two polls. They find later ones by themselves.
create or replace function notify_ripe(p_soonest timestamptz, p_moment timestamptz) returns void
language plpgsql
as $$
begin
    if p_soonest <= p_moment + interval '10 seconds' then
        perform pg_notify(
            channel(), 'ripe ' || greatest(0, ceil(extract(epoch from p_soonest - p_moment) * 1000))::bigint
        );
    end if;
end $$;
