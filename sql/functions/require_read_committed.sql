-- Raise unless the transaction is READ COMMITTED.
--
-- There each statement after a lock sees what others committed before, and the engine's counting
-- relies on that. In a stricter isolation it would count from an old snapshot.
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
