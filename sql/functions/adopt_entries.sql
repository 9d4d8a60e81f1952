-- Give available entries of a queue with limits for lanes their lanes: those that were released
-- before the queue had them. At most a thousand a call, the first ones.
-- Locks: entries, without waiting for any.
create or replace function adopt_entries(p_queue text) returns void
language plpgsql
as $$
declare
    ids bigint[];
begin
    if not exists (select from queue q where q.state = 'available' and q.lane is null and q.queue = p_queue) then
        return;
    end if;
    ids := array(
        select q.step_id
          from queue q
         where q.state = 'available' and q.lane is null and q.queue = p_queue
         order by q.priority, q.position, q.step_id
         limit 1000
           for no key update skip locked
    );
    update queue q
       set lane = case
                      when s.first_child is not null or s.map is not null or s.worker = 'baton.item' then ''
                      else coalesce(s.lane, '-')
                  end
      from steps s
     where q.step_id = any(ids)
       and s.id = any(array[q.step_id]);
end $$;
