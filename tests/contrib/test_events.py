"""What happens in a run as server-sent events."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import pytest

from baton import Baton, Run, WorkerPool, WorkflowNotFound
from baton.contrib.events import KEEP_ALIVE, Streams, server_sent_events
from tests.held_worker import HeldWorker

SECONDS = 30


@pytest.fixture
def held() -> HeldWorker:
    return HeldWorker()


async def collect(stream) -> list[tuple[str, str, dict]]:
    """The name, id and data of each event of a stream, to its end."""
    async with asyncio.timeout(SECONDS), aclosing(stream):
        return [parsed(event) async for event in stream if event != KEEP_ALIVE]


def parsed(event: bytes) -> tuple[str, str, dict]:
    name, cursor, data, *empty = event.decode().split("\n")
    assert empty == ["", ""]
    return name.removeprefix("event: "), cursor.removeprefix("id: "), json.loads(data.removeprefix("data: "))


async def test_a_browser_receives_each_end_and_the_end_of_all(engine, quick):
    async with WorkerPool(engine):
        run = await Baton.new().add("a", quick.new()).add("b", quick.new(), deps=["a"]).insert()
        events = await collect(server_sent_events(run))

    steps = [(data["step"], data["state"]) for name, _, data in events if name == "step"]
    assert steps == [("a", "completed"), ("b", "completed")]
    assert (events[-1][0], events[-1][2]) == ("end", {"state": "completed", "counts": {"completed": 2}})


async def test_a_browser_that_comes_back_receives_the_rest(engine, quick):
    async with WorkerPool(engine):
        run = await Baton.new().add("a", quick.new()).add("b", quick.new(), deps=["a"]).insert()
        first, *others = [event for event in await collect(server_sent_events(run)) if event[0] != "level"]

    assert await collect(server_sent_events(run, first[1])) == others


async def test_a_browser_with_an_unknown_id_is_reset_once(engine, quick):
    async with WorkerPool(engine):
        run = await quick.new().insert()
        events = await collect(server_sent_events(run, "from another world"))

    assert [name for name, _, _ in events if name != "level"] == ["reset", "step", "end"]


async def test_a_text_over_several_lines_is_one_event(engine, held):
    run = await held.worker.new().insert()
    await run.cancel(reason="no\nneed")

    assert (await collect(server_sent_events(run)))[0][2]["reason"] == "no\nneed"


async def test_nothing_new_keeps_the_stream_open(engine, held):
    run = await held.worker.new().insert()
    async with aclosing(server_sent_events(run, every=0.01)) as events:
        assert parsed(await anext(events))[0] == "level"
        assert await anext(events) == KEEP_ALIVE


async def test_ending_the_streams_ends_it(engine, held):
    run, streams = await held.worker.new().insert(), Streams()
    async with aclosing(server_sent_events(run, streams=streams)) as events:
        await anext(events)
        assert streams.number_open == 1
        asyncio.get_running_loop().call_later(0.1, streams.end)
        assert [event async for event in events] == []

    assert streams.number_open == 0
    assert [name for name, _, _ in await collect(server_sent_events(run, streams=streams))] == ["level"]


async def test_an_unknown_workflow_is_an_error(engine):
    with pytest.raises(WorkflowNotFound):
        await anext(server_sent_events(Run("none")))
