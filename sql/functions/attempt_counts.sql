-- Whether the claim of an attempt still counts, or was settled and no later one has begun.
--
-- Locks: none. What is written after it may be that of an attempt that ends just now.
create or replace function attempt_counts(p_step bigint, p_token uuid) returns boolean
language sql stable
as $$
    select exists (select from queue q where q.step_id = any(array[p_step]) and q.token = p_token)
           or exists (select from steps s where s.id = any(array[p_step]) and s.token = p_token)
              and not exists (select from queue q where q.step_id = any(array[p_step]) and q.token is not null)
$$;
