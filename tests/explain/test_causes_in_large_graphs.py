"""Causes that come from how steps hang together: groups, closing steps, undos, needs, rounds."""

from __future__ import annotations

import asyncio
import re
from uuid import uuid4

from baton import Again, Baton, Run, WorkerPool, causes, result_of, worker
from baton.core import registry
from baton.database.messages import ClaimRequest
from tests.waiting import eventually


@worker(name="explain: prints", executor="reports")
def prints() -> None: ...


async def said(run: Run, step: str | None = None) -> str:
    return re.sub(r"\b\d+ s\b", "N s", str(await run.explain(step)))


async def cause(run: Run, step: str) -> causes.Cause:
    return (await run.explain(step)).path[0].cause


async def is_in_state(run: Run, step: str, state: str) -> bool:
    return any(one.name == step and one.state == state for one in await run.steps())


RUNS = "step 'a' has been executing for N s (attempt 1 of 20) in worker pool 'pool 1'"


async def test_enough_of_its_dependencies(engine, held, quick):
    flow = Baton.new().add("a", held.worker.new()).add("b", quick.new().with_options(queue="nobody"))
    async with WorkerPool(engine, name="pool 1", grace=0):
        run = await flow.add("one", quick.new(), deps=["a", "b"], needs=1).insert()
        await held.has_begun()
        sentence = await said(run, "one")

    assert sentence.startswith(
        f"step 'one' needs 1 result of its dependencies, and waits for 1 more, of 'a' and 'b'; {RUNS}"
    )


async def test_a_group_that_has_not_begun(engine, held, quick):
    flow = Baton.new().add("a", held.worker.new())
    flow.add("g", Baton.new().add("x", quick.new()).add("y", quick.new(), deps=["x"]), when=result_of("a") > 1)
    async with WorkerPool(engine, name="pool 1", grace=0):
        run = await flow.insert()
        await held.has_begun()

        assert await said(run, "g/x") == f"step 'g/x' waits for its group 'g' to begin; {RUNS}"
        assert await said(run, "g") == f"step 'g' waits for 'a'; {RUNS}"


async def test_a_closing_step_waits_for_the_verdict(engine, held, quick):
    flow = Baton.new().add("a", held.worker.new()).add("b", quick.new(), deps=["a"])
    async with WorkerPool(engine, name="pool 1", grace=0):
        run = await flow.add("clean", quick.new(), runs="always").insert()
        await held.has_begun()

        assert await said(run, "clean") == (
            f"step 'clean' is a closing step, and waits for the end of 2 steps before it; {RUNS}"
        )


async def test_a_closing_step_waits_for_an_attempt_that_has_not_ended(engine, quick):
    ends = asyncio.Event()
    begun = asyncio.Event()

    @worker
    async def stubborn() -> None:
        begun.set()
        while not ends.is_set():
            try:
                await ends.wait()
            except asyncio.CancelledError:
                continue

    async with WorkerPool(engine, name="pool 1", grace=0):
        flow = Baton.new(workflow_id="w").add("a", stubborn.new()).add("clean", quick.new(), runs="always")
        run = await flow.insert()
        await begun.wait()
        await run.cancel(reason="stop", actor="ann")

        waits = "step 'clean' waits until the code of 'a' has really ended in worker pool 'pool 1'"
        assert await said(run, "clean") == waits
        assert await said(run) == (
            f"workflow 'w' is being ended as cancelled: stop; 1 step of it has to end before; {waits}"
        )
        ends.set()


async def test_undos_wait_for_their_turn(engine, quick, held):
    @worker(max_attempts=1)
    async def breaks() -> None:
        raise ValueError("no luck")

    flow = Baton.new().add("hotel", quick.new(), undo=quick.new())
    flow.add("flight", quick.new(), deps=["hotel"], undo=held.worker.new())
    flow.add("pay", breaks.new(), deps=["flight"])
    async with WorkerPool(engine, name="pool 1", grace=0):
        run = await flow.insert()
        await held.has_begun()
        sentence = await said(run, "hotel[undo]")

    assert sentence.startswith(
        "step 'hotel[undo]' is an undo, and its turn comes after 'flight[undo]'; step 'flight[undo]' has been executing"
    )


async def test_the_next_round(engine, own_workers):
    @worker
    async def polls() -> Again:
        return Again(after=600)

    async with WorkerPool(engine):
        run = await polls.new().insert()
        await eventually(lambda: is_in_state(run, "polls", "scheduled"))

        assert await said(run) == (
            f"workflow {run.id!r} is executing, and 1 step of it is not final; step 'polls' begins round 2 in 10 min"
        )


async def test_a_group_that_is_being_ended(engine, held, quick):
    inner = (
        Baton.new().add("x", quick.new().with_options(queue="nobody")).add("clean", held.worker.new(), runs="always")
    )
    async with WorkerPool(engine, name="pool 1", grace=0):
        run = await Baton.new().add("first", quick.new()).add("g", inner.add("y", quick.new())).insert()
        await run.result("g/y", timeout=20)
        await run.cancel("g", reason="enough")
        await held.has_begun()
        sentence = await said(run, "g")

    assert sentence.startswith(
        "step 'g' is being ended as cancelled: enough; it waits for 1 child step that cleans up; "
    )
    assert "step 'g/clean' has been executing" in sentence


async def test_a_run_that_has_not_ended_and_one_that_is_not_there(engine, quick):
    await Baton.new(workflow_id="other").add("a", quick.new()).insert()
    flow = Baton.new().add("r", Run("other")).add("s", Run("absent", may_come_within=3600))
    run = await flow.insert()

    assert await said(run, "r") == "step 'r' waits for workflow 'other' to end, which is executing"
    assert await said(run, "s") == (
        "step 's' waits for workflow 'absent', which does not exist yet; unless it comes within 60 min, the step is "
        "discarded"
    )


async def test_an_executor_that_no_pool_has(engine):
    async with WorkerPool(engine, name="pool 1"):
        run = await prints.new().insert()
        await eventually(lambda: is_in_state(run, "explain: prints", "scheduled"))
        found = await cause(run, "explain: prints")

    assert isinstance(found, causes.NoPoolForWorker)
    assert "write WorkerPool(executors={'reports': ...})" in str(found)


async def test_arguments_that_do_not_fit_yet(engine, connection, own_workers):
    @worker
    async def greets(name: str) -> None: ...

    run = await greets.new("ann").insert()
    await connection.execute("update baton.steps set args = '{\"nom\": 1}'")
    async with WorkerPool(engine):
        await eventually(lambda: is_in_state(run, "greets", "scheduled"))
        found = await cause(run, "greets")

    assert isinstance(found, causes.NoPoolForArguments)
    assert "start a pool with the version of the worker that these arguments fit" in str(found)


async def test_a_worker_that_is_known_elsewhere_only(engine):
    with registry.isolated():

        @worker(name="stranger")
        async def stranger() -> None: ...

        run = await stranger.new().insert()
    async with WorkerPool(engine):
        await eventually(lambda: is_in_state(run, "stranger", "scheduled"))
        found = await cause(run, "stranger")

    assert found == causes.NoPoolForWorker(
        state="scheduled", queue="default", worker="stranger", refusal="no worker named 'stranger' is registered here"
    )


async def test_a_pool_that_is_silent(engine, quick, connection):
    pool = await engine.store.register(
        name="pool 1", host="here", pid=7, limits={"default": 1}, workers=["quick"], lease_seconds=600
    )
    run = await Baton.new().add("a", quick.new()).insert()
    await engine.store.claim(pool, ClaimRequest(uuid4(), {"default": 1}))
    await connection.execute(
        "update baton.pools set beat_at = beat_at - interval '400 s', expires_at = expires_at - interval '400 s'"
    )

    assert await said(run, "a") == (
        "step 'a' has been executing for N s (attempt 1 of 20) in worker pool 'pool 1', which was last heard of 7 min "
        "ago (process 7 on here); unless it comes back, other pools take the step over in 3 min"
    )


async def test_a_limit_on_the_start_is_said(engine, quick):
    run = await Baton.new().add("a", quick.new().with_options(queue="nobody", start_within=3600)).insert()

    assert (await said(run, "a")).endswith("; it is discarded unless it starts within 60 min")


async def test_all_steps_upstream_that_hold_it_up_are_roots(engine, held, quick):
    flow = Baton.new().add("a", held.worker.new()).add("b", quick.new().with_options(queue="nobody"))
    async with WorkerPool(engine, name="pool 1", grace=0):
        run = await flow.add("c", quick.new(), deps=["a", "b"]).insert()
        await held.has_begun()
        explained = await run.explain("c")

    assert [step.step for step in (*explained.path, *explained.roots)] == ["c", "a", "b"]


async def test_a_chain_of_more_than_twenty_steps(engine, quick):
    flow = Baton.new().add("s0", quick.new())
    for number in range(1, 40):
        flow.add(f"s{number}", quick.new(), deps=[f"s{number - 1}"])
    run = await flow.insert()

    explained = await run.explain("s39")
    assert [step.step for step in explained.path] == [f"s{39 - number}" for number in range(20)]
    assert (explained.between, explained.is_more) == (19, False)
    assert explained.root.step == "s0"
    assert "; and so on through 19 more steps; step 's0' is available" in str(explained)
