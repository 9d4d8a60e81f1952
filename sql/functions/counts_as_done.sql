-- Whether a dependent with these flags counts a dependency in this final state as done.
create or replace function counts_as_done(p_state text, p_cancelled boolean, p_discarded boolean, p_skipped boolean) returns boolean
language sql immutable parallel safe
return case p_state
           when 'cancelled' then p_cancelled
           when 'discarded' then p_discarded
           when 'skipped' then p_skipped
           else p_state = 'completed'
       end;
