"""Steps inside of something that begins anew or began another round: there is nothing left to complete."""

from __future__ import annotations

import pytest

from baton import Again, Baton, InterventionRefused, worker

SECONDS = 30


async def test_a_part_of_an_undone_graph_is_refused_unless_the_undo_stands(pool, program):
    @worker
    async def plan() -> Baton:
        return Baton.new().add("x", program.act.new(1)).add("y", program.act.new(2), deps=["x"])

    program.failing = {"plan/y"}
    run = await Baton.new().add("plan", plan.new(), undo=program.act.new(0)).insert()
    assert await run.wait(timeout=SECONDS) == "failed"
    assert program.runs["plan[undo]"] == 1

    with pytest.raises(InterventionRefused, match=r"it is a part of 'plan', which was undone and begins anew"):
        await run.complete("plan/y", 5)
    await run.complete("plan/y", 5, forward=True)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs == {"plan/x": 1, "plan/y": 1, "plan[undo]": 1}


@pytest.mark.parametrize("verb", ["complete", "skip"])
async def test_a_step_of_an_earlier_round_is_refused(pool, program, verb):
    @worker
    async def judge(number: int) -> int | Again:
        return number or Again(number=1)

    @worker
    async def turn(number: int = 0) -> Baton:
        return (
            Baton.new().add("x", program.act.new(number)).add("judge", judge.new(number), deps=["x"]).returns("judge")
        )

    run = await Baton.new().add("turn", turn.new()).insert()
    assert await run.wait(timeout=SECONDS) == "completed"

    with pytest.raises(InterventionRefused, match="it belongs to an earlier round; name a step of the last one"):
        await getattr(run, verb)("turn/x")
