-- How many attempts of a step were lost with their pools, counted when one more has ended.
--
-- p_token: of the attempt that has ended. p_is_lost: it was lost.
-- A step that snoozes or keeps a value begins a new row. One that does so between any two losses
-- would go on without end, so the rows are counted as well, until it snoozes twice in succession.
-- losses: in a row. loss_rows: how many rows.
create or replace function count_losses(
    p_step steps, p_token uuid, p_is_lost boolean,
    out losses integer, out loss_rows integer
)
language sql stable
as $$
    select case when b.begins then 0 else p_step.losses end + p_is_lost::integer,
           p_step.loss_rows + (p_is_lost and b.begins)::integer
      from (
          select p_step.losses = 0
              or exists (select from kept k where k.step_id = p_step.id and k.token = p_token) as begins
      ) as b
$$;
