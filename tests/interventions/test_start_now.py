"""`run.start_now`: what waits for a time starts at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from baton import Baton, InterventionRefused, Signal, Snooze, Timer, result_of, worker
from tests.waiting import eventually

SECONDS = 30
A_DAY = timedelta(days=1)


async def test_a_scheduled_step_starts(pool, program):
    run = await Baton.new().add("a", program.act.new(1).with_options(schedule_in=A_DAY)).insert()
    assert await run.start_now("a") == 1
    assert await run.result("a", timeout=SECONDS) == 1


async def test_the_next_attempt_starts_and_is_counted(pool, program):
    program.failing = {"a"}
    job = program.act.new(1).with_options(max_attempts=3, backoff=86400)
    run = await Baton.new().add("a", job).insert()
    await eventually(lambda: _is(run, program, "a", "retryable"))
    program.failing = set()

    await run.start_now("a")

    assert await run.result("a", timeout=SECONDS) == 1
    assert [(step.attempt, len(step.errors)) for step in await run.steps()] == [(2, 1)]


async def test_a_step_that_snoozes_goes_on(pool, program):
    woken = []

    @worker
    async def sleepy() -> str | Snooze:
        woken.append(1)
        return "up" if len(woken) > 1 else Snooze(86400)

    run = await Baton.new().add("a", sleepy.new()).insert()
    await eventually(lambda: _is(run, program, "a", "scheduled"))
    await eventually(lambda: bool(woken))

    await run.start_now("a")

    assert await run.result("a", timeout=SECONDS) == "up"


async def test_a_timer_ends(pool, program):
    run = await Baton.new().add("t", Timer(days=1)).add("b", program.act.new(1), deps=["t"]).insert()
    await eventually(lambda: _is(run, program, "t", "waiting"))

    tried = await run.start_now("t", dry_run=True)
    assert (tried.count, tried.steps) == (1, [])
    assert await run.start_now("t") == 1

    assert await run.result("b", timeout=SECONDS) == 1


async def test_a_group_stands_for_what_waits_in_it(pool, program):
    inner = Baton.new().add("now", program.act.new(1))
    for name in "xy":
        inner.add(name, program.act.new(name).with_options(schedule_in=A_DAY))
    run = await Baton.new().add("group", inner).insert()

    assert await run.start_now("group") == 2

    assert await run.wait(timeout=SECONDS) == "completed"
    with pytest.raises(InterventionRefused, match="it is completed"):
        await run.start_now("group")


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("done", "it is completed, and waits for no time"),
        ("next", "it is suspended: what it waits for are other steps"),
        ("ok", "it waits for a signal, a message or another run"),
    ],
)
async def test_a_step_that_waits_for_no_time_is_refused(pool, program, step, why):
    """Then nothing is changed, also not the step named with it."""
    flow = Baton.new().add("done", program.act.new(1)).add("ok", Signal(bool))
    flow.add("next", program.act.new(result_of("ok"))).add("late", program.act.new(1).with_options(schedule_in=A_DAY))
    run = await flow.insert()
    await eventually(lambda: _is(run, program, "done", "completed"))
    await eventually(lambda: _is(run, program, "ok", "waiting"))

    with pytest.raises(InterventionRefused, match=why):
        await run.start_now("late", step)

    assert await _is(run, program, "late", "scheduled")


async def _is(run, program, step, state):
    return (await program.states(run)).get(step) == state
