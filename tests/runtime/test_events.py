"""The events of a pool: what observers see, in which order, and that they can do no harm."""

from __future__ import annotations

import logging

import pytest

from baton import Baton, Cancel, Context, InvalidOption, RetryAfter, Snooze, WorkerPool, each, worker
from baton.events import (
    AttemptEnded,
    AttemptStarted,
    OutcomesAnswered,
    PoolDrained,
    PoolDraining,
    PoolRegistered,
    StepsClaimed,
    UpkeepDone,
    WorkflowFailed,
)
from tests.programs import pool_workers
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("own_workers")


class Seen(list):
    """An observer that keeps what it sees."""

    def __call__(self, event):
        self.append(event)

    def of(self, kind):
        return [event for event in self if isinstance(event, kind)]


@pytest.fixture
def seen():
    return Seen()


async def ran(engine, job, *observers, **settings):
    """Run one step to its end with these observers; return its run."""
    async with WorkerPool(engine, observers=observers, **settings):
        run = await job.insert()
        await run.wait(timeout=20)
    return run


async def test_an_attempt_is_seen_from_its_claim_to_its_answer(engine, seen):
    @worker(max_attempts=7)
    async def adds(number: int) -> int:
        return number + 1

    run = await ran(engine, adds.new(number=4), seen)

    (claimed,), (started,), (ended,) = seen.of(StepsClaimed), seen.of(AttemptStarted)[:1], seen.of(AttemptEnded)
    (answered,) = seen.of(OutcomesAnswered)
    assert seen.index(claimed) < seen.index(started) < seen.index(ended) < seen.index(answered)
    assert list(claimed.step_ids) == [started.step_id]
    assert started.token == ended.token == claimed.token == answered.outcomes[0].token
    assert (started.workflow_id, started.step, started.worker, started.queue) == (run.id, "adds", "adds", "default")
    assert (ended.attempt, ended.max_attempts, ended.kind, ended.error, ended.cause) == (1, 7, "completed", None, None)
    assert ended.seconds is not None
    assert ended.seconds >= 0
    assert (answered.outcomes[0].kind, answered.outcomes[0].is_accepted) == ("completed", True)


async def test_the_life_of_a_pool_is_seen(engine, seen):
    async with WorkerPool(engine, observers=[seen], name="observed", queues={"a": 1}) as pool:
        registered = pool.id
        await eventually(lambda: seen.of(UpkeepDone))

    (first,), (draining,), (drained,) = seen.of(PoolRegistered), seen.of(PoolDraining), seen.of(PoolDrained)
    assert (first.pool, first.name, dict(first.queues)) == (registered, "observed", {"a": 1})
    assert (draining.running, drained.cut_short, drained.is_settled) == (0, 0, True)


async def test_a_failed_attempt_is_seen_with_its_error_and_its_delay(engine, seen):
    @worker(max_attempts=2, backoff=0)
    async def fails(ctx: Context) -> None:
        raise ValueError(f"attempt {ctx.attempt}")

    await ran(engine, fails.new(), seen)

    first, second = seen.of(AttemptEnded)
    assert (first.kind, first.error, first.delay, first.is_last) == ("failed", "ValueError: attempt 1", 0.0, False)
    assert "in fails" in first.trace
    assert isinstance(first.exception, ValueError)
    assert (second.kind, second.error, second.is_last) == ("failed", "ValueError: attempt 2", True)


async def test_an_attempt_of_a_transactional_worker_is_seen_too(engine, seen):
    @worker(transactional=True)
    async def writes(ctx: Context) -> int:
        return await ctx.connection.fetchval("select 7")

    await ran(engine, writes.new(), seen)

    (ended,), (answered,) = seen.of(AttemptEnded), seen.of(OutcomesAnswered)
    assert (ended.kind, answered.outcomes[0].kind, answered.outcomes[0].is_accepted) == ("completed", "completed", True)


async def test_with_redaction_no_event_holds_what_was_redacted(engine, seen, caplog):
    @worker(max_attempts=1)
    async def fails() -> None:
        raise ValueError("the password is hunter2")

    await ran(engine, fails.new(), seen, redact=lambda text: text.replace("hunter2", "***"))

    (ended,) = seen.of(AttemptEnded)
    assert ended.error == "ValueError: the password is ***"
    assert ended.exception is None
    assert "hunter2" not in str(list(seen)) + caplog.text


async def test_an_observer_that_raises_harms_neither_steps_nor_other_observers(engine, seen, caplog):
    def broken(event):
        raise ZeroDivisionError("broken observer")

    @worker
    async def quick() -> int:
        return 5

    async with WorkerPool(engine, observers=[broken, seen]):
        run = await quick.new().insert()
        assert await run.result(timeout=20) == 5
    assert seen.of(OutcomesAnswered)
    assert "broken observer" in caplog.text
    assert "observers of this pool have now failed 2 time(s)" in caplog.text


async def test_an_observer_that_always_raises_does_not_fill_the_log(engine, caplog):
    def broken(event):
        raise ZeroDivisionError

    @worker
    async def quick(number: int) -> int:
        return number

    many = Baton.new()
    for number in range(50):
        many.add(str(number), quick.new(number=number))
    await ran(engine, many, broken)

    said = [record for record in caplog.records if record.name == "baton.events"]
    assert 3 <= len(said) <= 12


async def _async(event): ...


@pytest.mark.parametrize(("observer", "why"), [(5, "is a function that takes an event"), (_async, "it is async")])
def test_what_cannot_observe_is_refused(observer, why):
    with pytest.raises(InvalidOption, match=why):
        WorkerPool(observers=[observer])


def attempts_in(caplog):
    return [record for record in caplog.records if record.name == "baton.attempts"]


async def test_a_failed_attempt_is_logged_once_with_its_traceback(engine, caplog):
    caplog.set_level(logging.INFO, "baton")

    @worker(max_attempts=2, backoff=0)
    async def fails() -> None:
        raise ValueError("no luck")

    run = await ran(engine, fails.new())

    first, last = attempts_in(caplog)
    assert (first.levelname, last.levelname) == ("WARNING", "ERROR")
    assert first.getMessage() == (
        f"attempt 1 of 2 of step 'fails', workflow {run.id!r}, failed, the next one follows in 0 s: ValueError: no luck"
    )
    assert "so the step is discarded: ValueError: no luck" in last.getMessage()
    assert (first.worker, first.step, first.workflow_id, first.attempt) == ("fails", "fails", run.id, 1)
    assert "in fails" in first.exc_text


@pytest.mark.parametrize("executor", ["async", "thread", "process"])
async def test_a_stored_traceback_begins_in_the_worker(engine, executor):
    """What the pool calls on the way to it says nothing about the failure. A call of the library from it is shown."""

    @worker(max_attempts=1)
    async def builds() -> None:
        Baton("x")

    @worker(max_attempts=1)
    def builds_in_a_thread() -> None:
        Baton("x")

    failing = {"async": builds, "thread": builds_in_a_thread, "process": pool_workers.exits}[executor]
    run = await ran(engine, failing.new().with_options(max_attempts=1), processes=1)

    ((failed,),) = [step.errors for step in await run.steps()]
    _, first, *rest = failed["trace"].splitlines()
    assert first.endswith(f"in {failing.name}")
    assert executor == "process" or any("workflow.py" in line for line in rest)


async def test_a_failure_in_another_process_is_logged_with_its_traceback(engine, caplog):
    await ran(engine, pool_workers.exits.new().with_options(max_attempts=1), processes=1)

    (record,) = attempts_in(caplog)
    assert "SystemExit: 5" in record.getMessage()
    assert "in exits" in record.exc_text


@pytest.mark.parametrize(
    ("returned", "level"), [(RetryAfter(60), "INFO"), (Snooze(60), None), (Cancel("no"), None), (3, None)]
)
async def test_what_a_worker_asks_for_is_no_failure_in_the_log(engine, caplog, returned, level):
    caplog.set_level(logging.INFO, "baton")
    seen = Seen()

    @worker
    async def asks() -> None:
        return returned

    async with WorkerPool(engine, observers=[seen]):
        await asks.new().insert()
        await eventually(lambda: seen.of(OutcomesAnswered))

    assert [record.levelname for record in attempts_in(caplog)] == ([] if level is None else [level])


async def test_a_step_that_nobody_here_can_run_is_logged(engine, caplog):
    from baton.core import registry

    with registry.isolated():

        @worker
        async def elsewhere() -> None: ...

        job = elsewhere.new()
    seen = Seen()
    async with WorkerPool(engine, observers=[seen]):
        await job.insert()
        await eventually(lambda: seen.of(OutcomesAnswered))

    (record,) = attempts_in(caplog)
    assert record.levelname == "WARNING"
    assert "cannot run here and is put back: no worker named 'elsewhere' is registered here" in record.getMessage()


async def test_an_outcome_that_cannot_be_stored_is_logged_as_what_it_becomes(engine, caplog, monkeypatch):
    from baton.core.outcome import Outcome
    from baton.runtime import failpoints

    @worker(max_attempts=1)
    async def spoiled() -> int:
        return 1

    monkeypatch.setattr(failpoints, "replaced", lambda attempt, outcome: Outcome("completed", "no json"))
    run = await ran(engine, spoiled.new())

    assert (await run.status()).state == "failed"
    (record,) = attempts_in(caplog)
    assert record.levelname == "ERROR"
    assert "cannot be stored, and it is failed: the outcome of this attempt could not be stored" in record.getMessage()


def failed_workflows_in(caplog):
    return [record for record in caplog.records if record.name == "baton.workflows"]


async def test_a_workflow_that_failed_is_logged_once_when_it_ends(engine, caplog, seen):
    """Not when its step fails: another branch goes on for a while, and completes."""

    @worker(max_attempts=1)
    async def fails() -> None:
        raise ValueError("no luck")

    @worker
    async def takes_longer(ctx: Context) -> None:
        await eventually(lambda: any(event.kind == "failed" for event in seen.of(AttemptEnded)))

    flow = Baton.new(workflow_id="w", workflow_name="order").add("pay", fails.new()).add("b", takes_longer.new())
    flow.add("ship", takes_longer.new(), deps=["pay"])
    async with WorkerPool(engine, observers=[seen]):
        await (await flow.insert()).wait(timeout=20)

    (record,) = failed_workflows_in(caplog)
    assert record.levelname == "ERROR"
    assert record.getMessage() == "workflow 'w' (order) failed: step 'pay': ValueError: no luck"
    assert (record.workflow_id, record.workflow_name, record.step) == ("w", "order", "pay")
    assert seen.of(WorkflowFailed) == [WorkflowFailed("w", "order", "pay", "ValueError: no luck")]


async def test_a_group_that_failed_is_logged_by_the_step_in_it(engine, caplog):
    @worker(max_attempts=1)
    async def odd(number: int) -> None:
        if number % 2:
            raise ValueError(f"{number} is odd")

    async with WorkerPool(engine):
        run = await Baton.new(workflow_id="w").add("m", odd.new(each([2, 3]))).insert()
        assert await run.wait(timeout=20) == "failed"

    (record,) = failed_workflows_in(caplog)
    assert record.getMessage() == "workflow 'w' failed: step 'm[1]': ValueError: 3 is odd"


@pytest.mark.parametrize("ended", ["completed", "ignored", "cancelled"])
async def test_a_workflow_that_did_not_fail_is_not_logged(engine, caplog, ended):
    @worker(max_attempts=1)
    async def ends() -> None:
        if ended == "ignored":
            raise ValueError("no luck")

    @worker
    async def after() -> None: ...

    flow = Baton.new().add("a", ends.new()).add("b", after.new(), deps=["a"], ignore_discarded=True)
    async with WorkerPool(engine):
        run = await flow.insert()
        if ended == "cancelled":
            await run.cancel()
        await run.wait(timeout=20)

    assert failed_workflows_in(caplog) == []
