-- The graph that a child of a map of a workflow expands into, with holes for its arguments, as JSON.
-- Null for any other step, and for one that is gone.
create or replace function item_graph(p_step bigint) returns text
language sql stable security definer
as $$
    select m.item_graph::text
      from steps s
      join steps m on m.id = any(array[sibling_of(s.id, s.parent)])
     where s.id = any(array[p_step])
       and s.worker = 'baton.item'
$$;
