"""Steps that wait beside all that decides about steps: closing steps, needs, groups, retries, returned graphs."""

from __future__ import annotations

import pytest

from baton import Baton, Receive, Run, Signal, Timer, WorkerPool, result_of, worker
from tests.database.raw_pool import assert_consistent
from tests.waiting import eventually

SECONDS = 20


@worker(name="waits control")
async def quick(value: object = None) -> object:
    return value


@worker(name="waits control fails", max_attempts=1)
async def fails() -> None:
    raise ValueError("no")


@worker(name="waits control returns a graph")
async def grows() -> Baton:
    return Baton.new().add("inner", Signal()).add("last", quick.new(result_of("inner")))


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine) as pool:
        yield pool


async def states(run):
    return {step.name: step.state for step in await all_steps(run)}


async def all_steps(run):
    found = list(await run.steps())
    for step in found:
        found += step.children
    return found


async def is_waiting(run, name):
    return (await states(run)).get(name) == "waiting"


async def test_a_closing_step_may_wait_for_a_signal(engine, pool, connection):
    run = await Baton.new().add("work", fails.new()).add("clean up", Signal(), runs="always").insert()
    await eventually(lambda: is_waiting(run, "clean up"))

    await run.signal("clean up", "done")

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await states(run) == {"work": "discarded", "clean up": "completed"}
    await assert_consistent(connection)


async def test_a_cancel_ends_steps_that_wait(engine, pool, connection):
    flow = Baton.new().add("signal", Signal()).add("timer", Timer(hours=1)).add("message", Receive("chat"))
    run = await flow.add("run", Run("nowhere", may_come_within=600)).insert()
    await eventually(lambda: is_waiting(run, "run"))

    await run.cancel()

    assert await run.wait(timeout=SECONDS) == "cancelled"
    assert set((await states(run)).values()) == {"cancelled"}
    assert await connection.fetchval("select count(*) from queue") == 0


async def test_what_is_needed_no_more_does_not_wait_on(engine, pool):
    flow = Baton.new().add("phone", Signal()).add("mail", Signal())
    run = await flow.add("go", quick.new(1), deps=["phone", "mail"], needs=1, rest="cancel").insert()

    await run.signal("phone", "yes")

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await states(run) == {"phone": "completed", "mail": "cancelled", "go": "completed"}


async def test_a_step_of_a_sub_workflow_is_signalled_by_its_whole_name(engine, pool):
    inner = Baton.new().add("approval", Signal()).add("after", quick.new(result_of("approval")))
    run = await Baton.new().add("group", inner).add("last", quick.new(result_of("group"))).insert()
    await eventually(lambda: is_waiting(run, "group/approval"))

    await run.signal("group/approval", 7)

    assert await run.result("last", timeout=SECONDS) == 7


async def test_a_group_of_nothing_but_waits_ends(engine, pool):
    run = await Baton.new().add("group", Baton.new().add("timer", Timer(seconds=0.01))).insert()

    assert await run.wait(timeout=SECONDS) == "completed"


async def test_a_returned_graph_may_wait(engine, pool, connection):
    run = await grows.new().insert()
    name = "waits control returns a graph/inner"
    await eventually(lambda: is_waiting(run, name))

    await run.signal(name, "hello")

    assert await run.result(timeout=SECONDS) == "hello"
    await assert_consistent(connection)


async def test_a_step_stops_waiting_when_what_it_depends_on_is_retried(engine, pool, connection):
    flow = Baton.new().add("work", fails.new())
    run = await flow.add("approval", Signal(), deps=["work"], ignore_discarded=True).insert()
    await eventually(lambda: is_waiting(run, "approval"))

    await run.retry("work")
    await eventually(lambda: is_waiting(run, "approval"))
    await run.signal("approval", 1)

    assert await run.wait(timeout=SECONDS) == "completed"
    await assert_consistent(connection)


async def test_a_run_is_pruned_with_all_that_was_sent_to_it(engine, connection):
    flow = Baton.new().add("signal", Signal()).add("message", Receive("chat")).add("run", Run("nowhere"))
    run = await flow.insert()
    await run.signal("signal", 1)
    await run.send("chat", 1)
    await run.cancel()
    await connection.execute("update workflows set finished_at = finished_at - interval '2 days'")

    await engine.connections.fetch("select baton.prune(86400, 10)")

    for table in ("workflows", "signals", "messages", "receivers", "awaited_runs"):
        assert await connection.fetchval(f"select count(*) from {table}") == 0


async def test_show_says_when_a_wait_ends(engine, pool):
    run = await Baton.new().add("approval", Signal(timeout=3600)).insert()

    (approval,) = await run.steps()

    assert approval.ends_at is not None
    assert (approval.ends_at - approval.scheduled_at).total_seconds() == pytest.approx(3600)


async def test_an_error_that_time_is_up_says_what_is_waited_for(engine, pool):
    run = await Baton.new().add("approval", Signal()).insert()

    with pytest.raises(TimeoutError, match="step 'approval' waits for a signal: send it"):
        await run.wait(timeout=0.5)
