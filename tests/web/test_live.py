"""The stream that says what has changed."""

from __future__ import annotations

import asyncio

from baton import Run, WorkerPool
from baton.database.connections import Connections
from baton.web import live
from tests.waiting import eventually


class Reader:
    """Reads a stream of events."""

    def __init__(self, engine, topic, seen=None):
        self.stream = live.stream(engine, topic, seen)
        self.marks = []

    async def read_on(self):
        async for part in self.stream:
            if part.startswith(b"id: "):
                self.marks.append(part.decode().partition("\n")[0].removeprefix("id: "))


async def key_of(connection, run):
    return await connection.fetchval("select key from workflows where id = $1", run.id)


async def test_each_change_is_announced(engine, connection, jobs):
    run = await jobs["lonely"].new().insert()
    reader = Reader(engine, await key_of(connection, run))
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.read_on())
        await eventually(lambda: len(reader.marks) == 1)
        await run.cancel()
        await eventually(lambda: len(reader.marks) == 2)
        reading.cancel()


async def test_a_start_is_announced_too(engine, connection, held):
    run = await held.worker.new().insert()
    reader = Reader(engine, await key_of(connection, run))
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.read_on())
        await eventually(lambda: len(reader.marks) == 1)
        async with WorkerPool(engine):
            await eventually(lambda: len(reader.marks) >= 2)
            held.may_end.set()
        reading.cancel()


async def test_new_runs_are_announced_to_lists(engine, jobs):
    reader = Reader(engine, live.ALL)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.read_on())
        await eventually(lambda: len(reader.marks) == 1)
        await jobs["lonely"].new().insert()
        await eventually(lambda: len(reader.marks) == 2)
        await engine.pause("lonely")
        await eventually(lambda: len(reader.marks) == 3)
        reading.cancel()


async def test_who_comes_back_is_not_sent_what_is_known(engine, connection, jobs):
    """The browser sends the id of the last event when it opens the stream again."""
    run = await jobs["lonely"].new().insert()
    key = await key_of(connection, run)
    first = Reader(engine, key)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(first.read_on())
        await eventually(lambda: len(first.marks) == 1)
        again, late = Reader(engine, key, first.marks[0]), Reader(engine, key, "another")
        others = [group.create_task(one.read_on()) for one in (again, late)]
        await eventually(lambda: late.marks == first.marks)
        assert again.marks == []
        await Run(run.id).cancel()
        await eventually(lambda: len(again.marks) == 1)
        for one in (reading, *others):
            one.cancel()


async def test_two_hundred_pages_are_served_by_one_statement(engine, connection, jobs, monkeypatch):
    statements = []
    fetch = Connections.fetch

    async def counted(self, query, *args):
        statements.append(query)
        return await fetch(self, query, *args)

    runs = [await jobs["lonely"].new().insert() for _ in range(20)]
    keys = [await key_of(connection, run) for run in runs]
    monkeypatch.setattr(Connections, "fetch", counted)
    readers = [Reader(engine, key) for key in keys * 9] + [Reader(engine, live.ALL) for _ in range(20)]
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(reader.read_on()) for reader in readers]
        await eventually(lambda: all(reader.marks for reader in readers))
        readings = len(statements)
        await eventually(lambda: len(statements) >= readings + 2)
        for one in reading:
            one.cancel()

    assert live.SECONDS_BETWEEN_READINGS >= 0.5
    assert len(set(statements)) == 1
    assert readings <= 3


async def test_nobody_looks_and_nothing_is_read(engine, jobs):
    reader = Reader(engine, live.ALL)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.read_on())
        await eventually(lambda: len(reader.marks) == 1)
        reading.cancel()
    await reader.stream.aclose()

    marks = live.marks_of(engine)
    assert marks.number_of_followers == 0
    await eventually(lambda: marks.is_idle)
