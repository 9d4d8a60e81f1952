-- Whether a dependent counts its dependency with this ordinal as done, now that it is in this
-- state. Its edges say so one by one; without them its flags say it for all of its dependencies.
create or replace function edge_ignores(p_dependent steps, p_ordinal integer, p_state text) returns boolean
language sql immutable parallel safe
return case
           when p_state = 'completed' then true
           when p_dependent.edges is null then
               case p_state
                   when 'cancelled' then p_dependent.ignore_cancelled
                   when 'discarded' then p_dependent.ignore_discarded
                   when 'skipped' then p_dependent.ignore_skipped
                   else false
               end
           else p_dependent.edges[array_position(p_dependent.dependencies, p_ordinal)] & case p_state
                                                                                              when 'cancelled' then 1
                                                                                              when 'discarded' then 2
                                                                                              when 'skipped' then 4
                                                                                              else 0
                                                                                          end <> 0
       end;
