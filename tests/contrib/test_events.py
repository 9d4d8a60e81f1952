"""Following a workflow: every end is an event, and nothing is queried while nothing happens."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, aclosing

import pytest

from baton import Baton, Engine, Run, WorkerPool, WorkflowNotFound, worker
from baton.contrib.events import Streams, follow, server_sent_events
from baton.database.connections import Connections
from tests.waiting import eventually

NEVER = 3600.0


@pytest.fixture
def held():
    """Workers of steps that end when the test says so."""
    may_end: dict[str, asyncio.Event] = {}

    @worker(name="held")
    async def held(name: str) -> str:
        await may_end.setdefault(name, asyncio.Event()).wait()
        return name

    def flow(*names: str) -> Baton:
        flow = Baton.new(workflow_id="w")
        for before, name in zip([None, *names], names, strict=False):
            may_end[name] = asyncio.Event()
            flow.add(name, held.new(name), deps=[before] if before else [])
        return flow

    flow.end = lambda name: may_end[name].set()
    return flow


@pytest.fixture
def readings(monkeypatch):
    """What the engine's readings asked for."""
    asked = []
    from baton.database.queries import Queries

    plainly = Queries.summary

    async def summary(self, workflow_id):
        asked.append(workflow_id)
        return await plainly(self, workflow_id)

    monkeypatch.setattr(Queries, "summary", summary)
    return asked


def states(summary):
    return [step.state for step in summary.steps]


async def test_the_end_of_each_step_is_an_event(engine, held):
    run = await held("a", "b").insert()
    async with WorkerPool(engine), aclosing(follow(run, every=NEVER)) as following:
        await anext(following)
        held.end("a")
        after_a = await anext(following)
        held.end("b")
        after_b = [steps async for steps in following][-1]

    assert states(after_a)[0] == "completed"
    assert states(after_b) == ["completed", "completed"]


async def test_nothing_is_queried_while_nothing_happens(engine, held, readings):
    run = await held("a", "b").insert()
    async with aclosing(follow(run, every=NEVER)) as following:
        await anext(following)
        waiting = asyncio.ensure_future(anext(following))
        await eventually(lambda: engine.listener is not None)
        asked_before = len(readings)
        other = await held_elsewhere(engine)
        assert (len(readings), waiting.done()) == (asked_before, False)

        await run.cancel()
        assert states(await waiting) == ["cancelled", "cancelled"]
    assert len(readings) == asked_before + 1
    assert other == "cancelled"


async def held_elsewhere(engine):
    """The life of another workflow, heard by the same listener."""

    @worker(name="elsewhere")
    async def elsewhere() -> None: ...

    run = await elsewhere.new().insert(engine)
    waiting = asyncio.ensure_future(run.wait(timeout=20))
    await run.cancel()
    return await waiting


async def test_what_is_not_announced_is_read_after_a_while(engine, held):
    run = await held("a").insert()
    async with aclosing(follow(run, every=0.01)) as following:
        assert states(await anext(following)) == ["available"]
        async with WorkerPool(engine):
            async for steps in following:
                if states(steps) == ["executing"]:
                    break
            held.end("a")
            assert states([steps async for steps in following][-1]) == ["completed"]


async def test_a_large_workflow_is_followed_by_its_readings(engine, held, monkeypatch):
    monkeypatch.setattr("baton.contrib.events.MOST_WATCHED", 1)
    run = await held("a", "b").insert()
    async with aclosing(follow(run, every=0.01)) as following:
        await anext(following)
        await run.cancel("b")
        async for steps in following:
            if states(steps) == ["available", "cancelled"]:
                break


async def test_a_listener_that_lost_its_connection_reads_again(engine, held, connection):
    run = await held("a").insert()
    async with aclosing(follow(run, every=NEVER)) as following:
        await anext(following)
        waiting = asyncio.ensure_future(anext(following))
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'baton listener' and datname = current_database()"
        )
        assert states(await asyncio.wait_for(waiting, 20)) == ["available"]


async def test_without_a_listener_it_reads_as_the_engine_does(database, held):
    async with Engine(database, transaction_pooler=True):
        run = await held("a").insert()
        async with aclosing(follow(run, every=NEVER)) as following:
            await anext(following)
            await run.cancel()
            assert states(await anext(following)) == ["cancelled"]


async def test_ending_the_streams_ends_it(engine, held):
    run, streams = await held("a").insert(), Streams()
    async with aclosing(follow(run, every=NEVER, streams=streams)) as following:
        await anext(following)
        waiting = asyncio.ensure_future(collect(following))
        asyncio.get_running_loop().call_later(0.2, streams.end)

        assert await asyncio.wait_for(waiting, 20) == []
    assert [states(steps) for steps in await collect(follow(run, streams=streams))] == [["available"]]


async def collect(following):
    return [one async for one in following]


async def test_a_follower_that_stops_is_forgotten(engine, held):
    run, streams = await held("a").insert(), Streams()
    async with aclosing(follow(run, streams=streams)) as following:
        await anext(following)
        assert (streams.number_open, engine.listener.number_of_subscribers) == (1, 1)

    assert (streams.number_open, engine.listener.number_of_subscribers) == (0, 0)


async def test_followers_of_a_workflow_share_its_readings(engine, held, readings):
    """However many there are: one reading for each change, and one in each span of time."""
    run = await held("a", "b").insert()
    async with AsyncExitStack() as stack, WorkerPool(engine, grace=0):
        following = [await stack.enter_async_context(aclosing(follow(run, every=NEVER))) for _ in range(20)]
        assert len({id(await anext(one)) for one in following}) <= 2
        assert engine.listener.number_of_subscribers == 2  # the pool and all of these
        before = len(readings)
        waiting = [asyncio.ensure_future(anext(one)) for one in following]
        held.end("a")
        changed = [await one for one in waiting]

    assert {states(summary)[0] for summary in changed} == {"completed"}
    assert len(readings) - before <= 2


async def test_a_reading_in_each_span_is_enough_for_all(engine, held, readings):
    run = await held("a").insert()
    async with AsyncExitStack() as stack:
        following = [await stack.enter_async_context(aclosing(follow(run, every=0.5))) for _ in range(10)]
        for one in following:
            await anext(one)
        before = len(readings)
        for _ in range(2):
            await asyncio.gather(*[anext(one) for one in following])

    assert 2 <= len(readings) - before <= 6


async def test_no_argument_or_result_is_read(engine, held, monkeypatch):
    """They may be many megabytes, and no stream shows them."""
    asked = []
    plainly = Connections.fetch

    async def fetch(self, query, *args):
        asked.append(query)
        return await plainly(self, query, *args)

    monkeypatch.setattr(Connections, "fetch", fetch)
    run = await held("a").insert()
    async with aclosing(server_sent_events(run)) as events:
        await anext(events)

    readings = [query for query in asked if "workflow_state" in query]
    assert readings
    assert [query for query in readings if "args" in query or "result" in query or "errors" in query] == []


async def test_a_follower_that_is_cancelled_while_it_reads_leaves_the_others(engine, held):
    run = await held("a").insert()
    async with aclosing(follow(run, every=NEVER)) as first, aclosing(follow(run, every=NEVER)) as second:
        beginning = asyncio.ensure_future(anext(first))
        await asyncio.sleep(0)
        beginning.cancel()
        assert states(await anext(second)) == ["available"]
        await run.cancel()
        assert states(await anext(second)) == ["cancelled"]


async def test_a_workflow_that_is_pruned_meanwhile_ends_the_stream(engine, held, connection):
    run = await held("a").insert()
    async with aclosing(server_sent_events(run, every=0.01)) as events:
        assert (await anext(events)).startswith(b"event: steps")
        await connection.execute("delete from queue; delete from steps; delete from workflows")

        assert [event async for event in events if event != b": nothing new\n\n"] == []


async def test_an_unknown_workflow_is_an_error(engine):
    with pytest.raises(WorkflowNotFound):
        await anext(follow(Run("none")))


async def test_a_browser_receives_changes_and_the_end(engine, held):
    run = await held("a").insert()
    async with aclosing(server_sent_events(run, every=0.01)) as events:
        first, second = await anext(events), await anext(events)
        await run.cancel(reason="no\nneed")
        rest = [event async for event in events]

    kind, data, *empty = first.decode().split("\n")
    assert (kind, empty) == ("event: steps", ["", ""])
    sent = {"name": "a", "state": "available", "attempt": 0, "reason": None}
    assert json.loads(data.removeprefix("data: ")) == [sent]
    assert second == b": nothing new\n\n"
    assert json.loads(rest[-2].decode().split("\n")[1].removeprefix("data: "))[0]["reason"] == "no\nneed"
    assert rest[-1] == b'event: end\ndata: {"state": "cancelled"}\n\n'
