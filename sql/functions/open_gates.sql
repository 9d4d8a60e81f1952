-- Open the gates of groups that wait for nothing, in workflows that have just been inserted.
--
-- queued -> completed
create or replace function open_gates(p_ids bigint[], p_moment timestamptz) returns void
language plpgsql
as $$
declare
    decided record;
    applied record;
begin
    decided := decide_steps(p_ids, p_moment);
    applied := apply_consequences(decided.ended, p_moment, true);
    perform notify_queues(applied.queues, applied.counts);
end $$;
