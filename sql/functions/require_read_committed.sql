-- Refuse any isolation but READ COMMITTED: under it each statement after a lock sees what others committed before,
-- which is what the engine's counting rests on. In a stricter one it would count from an old snapshot.
create or replace function require_read_committed() returns void
language plpgsql
as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'the engine works under READ COMMITTED only; this transaction is %',
            upper(current_setting('transaction_isolation'))
            using errcode = 'invalid_transaction_state';
    end if;
end $$;
