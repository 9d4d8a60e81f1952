-- Notify pools of a schedule that is due within two polls. They find later ones by themselves.
create or replace function notify_schedule(p_due timestamptz) returns void
language plpgsql
as $$
begin
    if p_due <= clock_timestamp() + interval '10 seconds' then
        perform pg_notify(
            channel(),
            'schedule ' || ceil(extract(epoch from greatest(p_due - clock_timestamp(), interval '0')) * 1000)::bigint
        );
    end if;
end $$;
