"""Steps that wait for a signal, run by a real pool."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from baton import Baton, Signal, SignalRefused, StepNotFound, WorkerPool, insert_many, result_of, worker
from tests.waiting import eventually

SECONDS = 20


@dataclass
class Approval:
    by: str
    amount: int = 0


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine) as pool:
        yield pool


@worker(name="signals publish")
async def publish(approval: Approval | None) -> str:
    return "nobody" if approval is None else approval.by


@worker(name="signals draft")
async def draft() -> str:
    return "text"


@worker(name="signals fail", max_attempts=1)
async def fail() -> None:
    raise ValueError("no")


def article(signal=None):
    flow = Baton.new().add("draft", draft.new()).add("approval", signal or Signal(Approval), deps=["draft"])
    return flow.add("publish", publish.new(result_of("approval")))


async def states(run):
    return {step.name: step.state for step in await run.steps()}


async def waits(run, name="approval"):
    return (await states(run))[name] == "waiting"


async def test_a_signal_completes_the_step_that_waits_for_it(engine, pool):
    run = await article().insert()
    await eventually(lambda: waits(run))

    assert await run.signal("approval", Approval("Ada", 3)) is True

    assert await run.result("publish", timeout=SECONDS) == "Ada"
    assert await run.result("approval") == Approval("Ada", 3)


async def test_a_step_waits_for_its_signal_without_an_attempt(engine, pool):
    run = await article().insert()
    await eventually(lambda: waits(run))

    (approval,) = [step for step in await run.steps() if step.name == "approval"]

    assert (approval.attempt, approval.pool) == (0, None)


async def test_an_early_signal_is_kept_for_its_step(engine):
    run = await article().insert()

    assert await run.signal("approval", Approval("Ada"))

    async with WorkerPool(engine):
        assert await run.result("publish", timeout=SECONDS) == "Ada"


async def test_a_second_signal_is_not_accepted(engine, pool):
    run = await article().insert()

    assert await run.signal("approval", Approval("Ada"), key="first") is True
    assert await run.signal("approval", Approval("Bob")) is False
    assert await run.signal("approval", Approval("Bob"), key="other") is False

    assert await run.result("publish", timeout=SECONDS) == "Ada"


async def test_a_repeated_signal_with_its_key_is_accepted_again(engine, pool):
    run = await article().insert()
    await run.signal("approval", Approval("Ada"), key="webhook-7")
    await run.wait(timeout=SECONDS)

    assert await run.signal("approval", Approval("Ada"), key="webhook-7") is True


async def test_a_step_without_a_signal_in_time_takes_its_default(engine, pool):
    run = await article(Signal(Approval | None, timeout=0.05, default=None)).insert()

    assert await run.result("publish", timeout=SECONDS) == "nobody"


async def test_a_step_without_a_signal_in_time_is_discarded(engine, pool):
    run = await article(Signal(Approval, timeout=0.05)).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await states(run) == {"draft": "completed", "approval": "discarded", "publish": "cancelled"}
    with pytest.raises(SignalRefused, match=r"it is discarded: no signal came within 0\.05 s; after retry"):
        await run.signal("approval", Approval("late"))


async def test_a_signal_to_a_step_that_awaits_none_is_refused(engine):
    run = await article().insert()

    with pytest.raises(StepNotFound, match="no step 'draft' that waits for a signal; those that do: 'approval'"):
        await run.signal("draft", 1)


async def test_a_signal_of_another_type_is_refused(engine):
    run = await article().insert()

    with pytest.raises(SignalRefused, match="the value does not fit: Object missing required field `by`"):
        await run.signal("approval", {"who": "Ada"})


async def test_a_signal_to_a_cancelled_run_is_refused(engine, pool):
    run = await article().insert()
    await run.cancel(reason="no need")

    with pytest.raises(SignalRefused, match="it is cancelled: no need"):
        await run.signal("approval", Approval("Ada"))


async def test_a_first_step_may_wait_for_a_signal(engine, pool):
    runs = await insert_many([Baton.new().add("go", Signal()) for _ in range(2)])

    for run in runs:
        await run.signal("go", {"any": "thing"})
        assert await run.result(timeout=SECONDS) == {"any": "thing"}


async def test_a_signal_is_skipped_by_its_condition(engine, pool):
    flow = Baton.new().add("draft", draft.new())
    flow.add("approval", Signal(), when=result_of("draft") == "other")

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await states(run) == {"draft": "completed", "approval": "skipped"}


async def test_a_signal_that_timed_out_waits_again_after_a_retry(engine, pool):
    run = await article(Signal(Approval, timeout=0.05)).insert()
    await run.wait(timeout=SECONDS)
    await engine.connections.fetch('update baton.steps set awaits = \'{"type": "signal"}\' where awaits is not null')

    await run.retry()
    await eventually(lambda: waits(run))
    await run.signal("approval", Approval("Ada"))

    assert await run.result("publish", timeout=SECONDS) == "Ada"


async def test_a_retry_by_name_forgets_the_answer_and_its_key(engine, pool):
    run = await article().insert()
    await run.signal("approval", Approval("Ada"), key="one")
    await run.wait(timeout=SECONDS)

    await run.retry("approval")
    await eventually(lambda: waits(run))
    assert await run.signal("approval", Approval("Bob"), key="one")

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("approval") == Approval("Bob")


async def test_a_retry_of_all_that_failed_keeps_the_answer(engine, pool):
    flow = Baton.new().add("approval", Signal()).add("fail", fail.new(), deps=["approval"])
    run = await flow.insert()
    await run.signal("approval", 1)
    await run.wait(timeout=SECONDS)

    assert await run.retry() == 1

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await run.result("approval") == 1


async def test_what_sql_sent_and_does_not_fit_is_read_as_it_is(engine, pool, connection):
    run = await Baton.new().add("approval", Signal(Approval)).insert()
    await connection.execute("select baton.signal($1, 'approval', '{\"who\": 1}')", run.id)

    assert await run.result("approval", timeout=SECONDS) == {"who": 1}
