-- Whether the run or the worker of a step is paused.
create or replace function is_paused(p_step bigint) returns boolean
language sql stable
as $$
    select exists (
               select
                 from paused_starts p
                 join steps s on s.id = p_step
                where p.subject in ('run ' || workflow_of(p_step), 'worker ' || s.worker)
           )
$$;
