-- Lock the executing entries of a queue that its limits count, and return their steps. The caller
-- holds claims_gate, so no others come.
--
-- What settles now is waited for, but not while entries are locked: it may be about to settle one of
-- these. After a fifth of a second lock_not_available is raised.
-- Locks: entries by step.
create or replace function locked_executing(p_queue text) returns bigint[]
language plpgsql
as $$
declare
    give_up_at timestamptz := clock_timestamp() + interval '0.2 s';
    locked     bigint[];
begin
    loop
        begin
            locked := array(
                select q.step_id
                  from queue q
                 where q.state = 'executing' and q.queue = p_queue and q.lane is distinct from ''
                 order by q.step_id
                   for no key update skip locked
            );
            if not exists (
                select
                  from queue q
                 where q.state = 'executing' and q.queue = p_queue and q.lane is distinct from ''
                   and q.step_id <> all(locked)
            ) then
                return locked;
            end if;
            -- Gives up the locks with the block.
            raise exception 'entries of queue % are locked', p_queue using errcode = 'lock_not_available';
        exception when lock_not_available then
            if clock_timestamp() > give_up_at then
                raise;
            end if;
        end;
        perform pg_sleep(0.002);
    end loop;
end $$;
