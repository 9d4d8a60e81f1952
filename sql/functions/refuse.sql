-- Refuse a workflow for this reason, a sentence; null for none.
create or replace function refuse(p_reason text) returns void
language plpgsql
as $$
begin
    if p_reason is not null then
        raise exception '%', p_reason
              using errcode = 'invalid_parameter_value',
                    hint = 'Workflows are written by Baton.to_json() and Job.to_json(), which check them.';
    end if;
end $$;
