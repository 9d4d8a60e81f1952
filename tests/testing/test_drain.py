"""A drain runs what is due, lets time pass as it is asked to, and names what would keep it from ending."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from baton import Baton, Context, RetryAfter, Signal, Skip, Snooze, Timer, each, provided, result_of, worker
from baton.core.provided import Provided
from baton.testing import CannotRun, DrainNeverEnds, Harness, HarnessClosed, StepHangs

DAY = timedelta(days=1)


class Prices:
    """Something that the harness provides."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


@pytest.fixture
def flaky():
    """A worker that fails twice, with a delay of a minute each time."""
    attempts = []

    @worker(backoff=60)
    async def flaky() -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise RuntimeError("not yet")
        return len(attempts)

    return flaky


async def test_a_workflow_runs_to_its_end_in_the_order_of_its_graph(harness, quick):
    flow = Baton.new().add("a", quick.new(value=1)).add("b", quick.new(value=result_of("a")))
    run = await flow.insert()

    drained = await harness.drain()

    assert drained.steps == ["a", "b"]
    assert await run.result("b", timeout=5) == 1


async def test_a_map_a_subworkflow_and_a_closing_step_run(harness, quick):
    inner = Baton.new().add("only", quick.new(value=2))
    flow = (
        Baton.new()
        .add("many", quick.new(value=each([1, 2, 3])))
        .add("inner", inner)
        .add("close", quick.new(value=9), runs="always")
    )
    run = await flow.insert()

    await harness.drain()

    assert await run.wait(timeout=5) == "completed"
    assert await run.result("many", timeout=5) == [1, 2, 3]


async def test_a_drain_leaves_what_is_not_due(harness, flaky):
    run = await flaky.new().insert()

    await harness.drain()

    (step,) = await run.steps()
    assert (step.state, step.attempt) == ("retryable", 1)


async def test_retries_pass_with_the_time_and_not_before(harness, flaky):
    run = await flaky.new().insert()
    await harness.drain(advance=59)
    assert (await run.steps())[0].attempt == 1

    await harness.drain(advance=1)
    assert (await run.steps())[0].attempt == 2

    await harness.drain(advance=DAY)
    assert await run.result(timeout=5) == 3


async def test_what_is_due_comes_in_the_order_of_its_times(harness):
    """One step snoozes for a day each time, the other is due in between."""
    order = []

    @worker
    async def daily() -> int | Snooze:
        order.append("daily")
        return 1 if order.count("daily") == 4 else Snooze(DAY)

    @worker
    async def later() -> None:
        order.append("later")

    flow = Baton.new().add("daily", daily.new()).add("later", later.new().with_options(schedule_in=1.5 * DAY))
    run = await flow.insert()

    await harness.drain(advance=30 * DAY)

    assert order == ["daily", "daily", "later", "daily", "daily"]
    assert await run.wait(timeout=5) == "completed"


async def test_a_signal_is_answered_before_its_time_is_up(harness, quick):
    flow = Baton.new().add("approval", Signal(int, timeout=2 * DAY)).add("go", quick.new(value=result_of("approval")))
    run = await flow.insert()
    assert (await harness.drain(advance=DAY)).steps == []

    await run.signal("approval", 7)
    await harness.drain()

    assert await run.result("go", timeout=5) == 7


async def test_the_time_of_a_signal_passes(harness, quick):
    flow = Baton.new().add("approval", Signal(int, timeout=2 * DAY, default=0))
    run = await flow.add("go", quick.new(value=result_of("approval"))).insert()

    await harness.drain(advance=2 * DAY)

    assert await run.result("go", timeout=5) == 0


async def test_a_timer_passes_between_steps_that_run(harness, quick):
    flow = Baton.new().add("before", quick.new()).add("cool down", Timer(days=3), deps=["before"])
    run = await flow.add("after", quick.new(), deps=["cool down"]).insert()
    assert (await harness.drain(advance=2 * DAY)).steps == ["before"]

    assert (await harness.drain(advance=DAY)).steps == ["after"]
    assert await run.wait(timeout=5) == "completed"


async def test_a_nightly_schedule_fires_once_a_night(harness, engine, quick):
    """Under the ids of its slots: the calendar goes on as far as the drain lets time pass."""
    await engine.schedule("nightly", quick.new(value=1), cron="0 3 * * *", timezone="Europe/Berlin")

    drained = await harness.drain(advance=3 * DAY)
    drained_later = await harness.drain(advance=4 * DAY)

    assert (len(drained.steps), len(drained_later.steps)) == (3, 4)
    ids = sorted(job.run.id for job in await harness.inserted(quick))
    assert all("T03:00" in run for run in ids)
    assert len({run.partition("T")[0] for run in ids}) == 7


async def test_a_deadline_passes_while_a_step_snoozes(harness):
    @worker
    async def polls() -> Snooze:
        return Snooze(0.3 * DAY)

    run = await Baton.new().add("poll", polls.new().with_options(deadline=DAY)).insert()

    assert (await harness.drain(advance=30 * DAY)).steps == ["poll"] * 4
    assert await run.wait(timeout=5) == "failed"


async def test_all_stored_times_move_together(harness, quick):
    """The ages of what is final, and times that are not reached yet, stay in proportion."""
    run = await Baton.new().add("a", quick.new()).add("b", quick.new().with_options(schedule_in=3 * DAY)).insert()
    await harness.drain()
    before = {step.name: step for step in await run.steps()}

    await harness.drain(advance=DAY)

    after = {step.name: step for step in await run.steps()}
    assert before["a"].finished_at - after["a"].finished_at == DAY
    assert before["b"].scheduled_at - after["b"].scheduled_at == DAY


async def test_the_same_seed_gives_the_same_order(harness, quick):
    """And among a few seeds, two give different ones."""

    async def order(seed: int) -> tuple[str, ...]:
        flow = Baton.new()
        for name in "abcdefgh":
            flow.add(name, quick.new())
        await flow.insert()
        return tuple((await harness.drain(seed=seed)).steps)

    orders = [await order(seed) for seed in (1, 2, 3)]

    assert [await order(seed) for seed in (1, 2, 3)] == orders
    assert len(set(orders)) > 1


async def test_only_the_named_queues_are_served(harness, quick):
    flow = Baton.new().add("mail", quick.new().with_options(queue="mail")).add("rest", quick.new())
    await flow.insert()

    assert (await harness.drain(queues=["mail"])).steps == ["mail"]
    assert (await harness.drain()).steps == ["rest"]


async def test_a_paused_queue_waits(harness, engine, quick):
    await quick.new().insert()
    await engine.pause("default")
    assert (await harness.drain(advance=DAY)).steps == []

    await engine.resume("default")
    assert (await harness.drain()).steps == ["quick"]


async def test_a_worker_may_wait_for_a_run_that_it_inserts(harness, quick):
    @worker
    async def parent() -> int:
        run = await quick.new(value=7).insert()
        return await run.result(timeout=10)

    run = await parent.new().insert()

    await harness.drain(concurrency=2)

    assert await run.result(timeout=5) == 7


async def test_threads_and_transactions_work_as_in_a_pool(harness, connection):
    await connection.execute("create table public.notes (text text)")

    @worker
    def in_thread() -> str:
        return "from a thread"

    @worker(transactional=True)
    async def written(ctx: Context, text: str) -> None:
        await ctx.connection.execute("insert into public.notes values ($1)", text)

    flow = Baton.new().add("thread", in_thread.new()).add("note", written.new(text=result_of("thread")))
    run = await flow.insert()

    await harness.drain()

    assert await run.wait(timeout=5) == "completed"
    assert await connection.fetchval("select text from public.notes") == "from a thread"


async def test_what_the_harness_provides_reaches_workers(engine):
    @worker
    async def price(prices: Provided[Prices] = provided) -> bool:
        return isinstance(prices, Prices)

    async with Harness(engine, provide=[Prices]) as harness:
        run = await price.new().insert()
        await harness.drain()
        assert await run.result(timeout=5) is True


async def test_a_step_that_hangs_is_named(harness):
    @worker
    async def hangs() -> None:
        await asyncio.Event().wait()

    await Baton.new().add("stuck", hangs.new()).insert()

    with pytest.raises(StepHangs, match=r"step 'stuck' did not end within 0.05 s"):
        await harness.drain(patience=0.05)


async def test_a_drain_that_would_not_end_names_the_step(harness):
    @worker
    async def again() -> Snooze:
        return Snooze(1)

    await Baton.new(workflow_id="loop").add("poll", again.new()).insert()

    with pytest.raises(DrainNeverEnds, match="step 'poll' of workflow 'loop' keeps coming back; it has run 20 times"):
        await harness.drain(advance=DAY, most=20)


async def test_runs_that_insert_the_next_one_come_to_an_end(harness):
    @worker
    async def chain() -> None:
        await chain.new().insert()

    await chain.new().insert()

    with pytest.raises(DrainNeverEnds, match="does it insert itself again"):
        await harness.drain(most=1)


async def test_a_worker_that_is_not_registered_is_named(harness, engine):
    from baton.core import registry

    with registry.isolated():

        @worker
        async def elsewhere() -> None: ...

        await elsewhere.new().insert()

    with pytest.raises(CannotRun, match="no worker named 'elsewhere' is registered here"):
        await harness.drain()


async def test_control_values_count_as_they_do_in_a_pool(harness):
    @worker
    async def skips() -> Skip:
        return Skip("nothing to do")

    @worker(max_attempts=2)
    async def asks() -> RetryAfter:
        return RetryAfter(10)

    run = await Baton.new().add("skips", skips.new()).add("asks", asks.new()).insert()

    drained = await harness.drain(advance=DAY)

    assert [(one.step, one.kind) for one in drained.attempts] == [
        ("skips", "skipped"),
        ("asks", "failed"),
        ("asks", "failed"),
    ]
    assert {step.name: step.state for step in await run.steps()} == {"skips": "skipped", "asks": "discarded"}


async def test_a_result_that_cannot_be_stored_fails_its_attempt(harness):
    @worker(max_attempts=1)
    async def broken() -> object:
        return object()

    run = await broken.new().insert()

    await harness.drain()

    assert await run.wait(timeout=5) == "failed"


async def test_a_harness_that_is_not_open_says_so(engine):
    with pytest.raises(HarnessClosed, match="the harness is not open"):
        await Harness(engine).drain()
