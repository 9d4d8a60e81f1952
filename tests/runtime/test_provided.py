"""What a pool provides its workers with, and context variables that reach them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Self

import pytest

from baton import Baton, Context, InvalidOption, Provided, WorkerPool, provided, worker
from tests.waiting import eventually

if TYPE_CHECKING:
    from decimal import Decimal as Unimported


language: ContextVar[str] = ContextVar("language", default="none")


class Client:
    """Notes when it is opened and closed, and by which task."""

    events: list[str]

    def __init__(self) -> None:
        self.is_open = False

    async def __aenter__(self) -> Self:
        Client.events.append("open")
        self.is_open = True
        self._task = asyncio.current_task()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert asyncio.current_task() is self._task
        Client.events.append("close")
        self.is_open = False

    def get(self, path: str) -> str:
        return f"{path} by {'an open' if self.is_open else 'a closed'} client {id(self)}"


class Cache(dict[str, int]): ...


@asynccontextmanager
async def make_cache() -> AsyncIterator[Cache]:
    Client.events.append("cache opened")
    yield Cache(a=1)
    Client.events.append("cache closed")


@pytest.fixture(autouse=True)
def events() -> list[str]:
    Client.events = []
    return Client.events


async def test_a_resource_is_opened_once_a_pool_and_closed_after_the_drain(engine, events):
    @worker
    async def fetch(client: Provided[Client], path: str) -> str:
        return client.get(path)

    @worker
    def in_a_thread(path: str, client: Provided[Client] = provided) -> str:
        return client.get(path)

    flow = Baton.new().add("a", fetch.new(path="x")).add("b", fetch.new("x")).add("c", in_a_thread.new("x"))
    async with WorkerPool(engine, provide=[Client]):
        run = await flow.insert()
        results = [await run.result(name, timeout=20) for name in "abc"]
        assert events == ["open"]
    assert events == ["open", "close"]
    assert len(set(results)) == 1
    assert results[0].startswith("x by an open client")


async def test_resources_are_closed_in_the_opposite_order(engine, events):
    @worker
    async def both(ctx: Context, cache: Provided[Cache], client: Provided[Client]) -> int:
        return cache["a"] + client.is_open

    async with WorkerPool(engine, provide=[Client, make_cache]):
        assert await (await both.new().insert()).result(timeout=20) == 2
    assert events == ["open", "cache opened", "cache closed", "close"]


async def test_it_is_open_while_steps_drain(engine, events):
    began = asyncio.Event()

    @worker
    async def slow(client: Provided[Client]) -> bool:
        began.set()
        await asyncio.sleep(0.2)
        return client.is_open

    async with WorkerPool(engine, provide=[Client]):
        run = await slow.new().insert()
        await began.wait()
    assert await run.result(timeout=20) is True


async def test_a_pool_may_be_entered_again(engine, events):
    pool = WorkerPool(engine, provide=[Client])
    for _ in range(2):
        async with pool:
            pass
    assert events == ["open", "close"] * 2


async def test_what_fails_to_open_closes_what_was_open_and_no_pool_is_left(engine, connection, events):
    @asynccontextmanager
    async def failing() -> AsyncIterator[Cache]:
        raise OSError("no cache today")
        yield Cache()

    with pytest.raises(OSError, match="no cache today"):
        await WorkerPool(engine, provide=[Client, failing]).__aenter__()
    assert events == ["open", "close"]
    assert await connection.fetchval("select count(*) from pools") == 0


async def test_what_nobody_provides_is_explained_and_costs_no_attempt(engine, connection):
    @worker
    async def wanting(client: Provided[Client]) -> str:
        return client.get("x")

    async with WorkerPool(engine, provide=[make_cache]):
        run = await wanting.new().insert()
        (record,) = await eventually(lambda: refused(run))
    assert (record.state, record.attempt) == ("scheduled", 0)
    assert record.reason == (
        "worker 'wanting' asks for Client, which this worker pool does not provide (it provides Cache): "
        "write WorkerPool(provide=[Client])"
    )

    await connection.execute("update queue set scheduled_at = clock_timestamp()")
    async with WorkerPool(engine, provide=[Client]):
        assert "an open client" in await run.result(timeout=20)


async def refused(run):
    records = await run.steps()
    return records if records[0].state == "scheduled" else None


def test_what_is_provided_is_no_argument():
    @worker
    async def fetch(client: Provided[Client], path: str) -> str:
        return client.get(path)

    with pytest.raises(TypeError, match="fetch: 'client' is provided by the pool; leave it out"):
        fetch.new(client=Client(), path="x")


async def test_a_worker_is_tested_with_what_the_test_gives_it():
    @worker
    async def fetch(path: str, client: Provided[Client] = provided) -> str:
        return client.get(path)

    assert "a closed client" in await fetch("x", client=Client())


def test_it_does_not_cross_to_another_process():
    with pytest.raises(TypeError, match="'client' is provided by the pool, and does not cross to executor 'process'"):
        crossing.new()


@worker(name="provided crossing", executor="process")
def crossing(client: Provided[Client]) -> str:
    return client.get("x")


def test_a_type_that_is_not_there_at_run_time_is_explained():
    @worker
    async def late(number: Provided[Unimported]) -> str:
        return str(number)

    with pytest.raises(TypeError, match="one of its names is not there at run time: import it outside"):
        late.new()


def unannotated():
    return Client()


@pytest.mark.parametrize(
    ("provide", "why"),
    [
        ([Client, Client], "Client is provided already, and a type has one provider"),
        ([5], "it must be a class or a function without arguments"),
        ([unannotated], "its return annotation does not say what it provides; write -> AsyncIterator[HttpClient]"),
    ],
    ids=["twice", "none", "unannotated"],
)
def test_an_invalid_provider_is_refused(provide, why):
    with pytest.raises(InvalidOption) as caught:
        WorkerPool(provide=provide)
    assert why in str(caught.value)


async def test_a_provider_without_a_context_manager_is_refused_on_entry(engine):
    with pytest.raises(InvalidOption, match="Cache, which is not an asynchronous context manager; give it __aenter__"):
        await WorkerPool(engine, provide=[Cache]).__aenter__()


async def test_context_variables_of_where_the_pool_was_entered_reach_its_workers(engine):
    @worker
    async def here() -> str:
        return language.get()

    @worker
    def in_a_thread() -> list[str]:
        return [language.get(), str(threading.current_thread() is threading.main_thread())]

    token = language.set("Dutch")
    try:
        async with WorkerPool(engine):
            language.set("set after the pool was entered")
            assert await (await here.new().insert()).result(timeout=20) == "Dutch"
            assert await (await in_a_thread.new().insert()).result(timeout=20) == ["Dutch", "False"]
    finally:
        language.reset(token)


async def test_what_a_worker_sets_is_seen_by_no_other(engine):
    @worker
    async def setting(value: str) -> str:
        before = language.get()
        language.set(value)
        return before

    async with WorkerPool(engine, queues={"default": 1}):
        for value in ("a", "b"):
            assert await (await setting.new(value=value).insert()).result(timeout=20) == "none"


async def test_a_step_that_no_pool_can_provide_for_is_unserved(engine, connection):
    """A pool registers the workers that it can run: not those that ask for a type which it does not provide."""

    @worker
    async def wanting(client: Provided[Client] = provided) -> str: ...

    @worker
    async def content() -> None: ...

    async with WorkerPool(engine, provide=[make_cache], name="without"):
        run = await wanting.new().insert()
        await eventually(lambda: refused(run))
        (unserved,) = (await run.status()).unserved
        assert unserved.why == (
            "no living worker pool that serves queue 'default' can run worker 'wanting'; the last one that tried says: "
            "worker 'wanting' asks for Client, which this worker pool does not provide (it provides Cache): "
            "write WorkerPool(provide=[Client]); start one with the module that defines it"
        )
        async with WorkerPool(engine, provide=[Client], name="with"):
            assert not (await run.status()).unserved

    known = dict(await connection.fetch("select name, workers from pools"))
    assert {name: "wanting" in workers for name, workers in known.items()} == {"without": False, "with": True}
    assert all("content" in workers for workers in known.values())


async def test_a_worker_whose_annotations_cannot_be_read_is_registered(engine, connection):
    """Its attempts fail with the reason; a pool that could not say what it asks for would lose its lease."""

    @worker
    async def unreadable(client: Provided[Missing] = provided) -> str: ...  # noqa: F821

    async with WorkerPool(engine, lease=0.6):
        beats = await connection.fetchval("select beats from pools")
        await eventually(lambda: connection.fetchval("select beats > $1 + 2 from pools", beats))

    assert "unreadable" in await connection.fetchval("select workers from pools")
