-- These ordinals in their order, p_base added to each; null for null.
create or replace function shift_ordinals(p_ordinals integer[], p_base integer) returns integer[]
language sql immutable parallel safe
return case
           when p_ordinals is not null then
               array(select o.ordinal + p_base from unnest(p_ordinals) with ordinality as o(ordinal, n) order by o.n)
       end;
