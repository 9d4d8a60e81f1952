-- Lock the workflow of a step that expands into children, check its claim, and make room for them.
--
-- p_total: how many steps are to be added. p_most: how many steps the workflow may have then.
-- accepted: whether the claim holds; or, when the call is a replay, whether this expansion took effect before.
-- base: ordinal of the first step that is added; null if nothing is to be written.
-- too_many: how many steps the workflow would have, if that is more than p_most. Then nothing is changed.
-- Locks: the workflow, then the entry.
create or replace function begin_expansion(
    p_step bigint, p_token uuid, p_total integer, p_most integer,
    out accepted boolean, out base integer, out too_many integer
)
language plpgsql
as $$
declare
    present integer;
    free    integer;
begin
    perform require_read_committed();
    select w.total, coalesce(w.next_ordinal, w.total) into present, free from workflows w where w.key = workflow_of(p_step) for no key update;
    perform 1 from queue q where q.step_id = p_step and q.token = p_token for update;
    if not found then
        accepted := exists (select from steps s where s.id = p_step and s.token = p_token and s.outcome = 'expanded');
        return;
    end if;
    accepted := true;
    if present + p_total > p_most or free + p_total > 4194304 then
        too_many := present + p_total;
        return;
    end if;
    base := free;
    update workflows w
       set total = w.total + p_total,
           next_ordinal = w.next_ordinal + p_total,
           remaining = w.remaining + p_total
     where w.key = workflow_of(p_step);
end $$;
