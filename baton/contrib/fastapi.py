"""Baton in a FastAPI application: engine and pool live as long as it does, and handlers are given the engine."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from types import FrameType
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from fastapi.requests import HTTPConnection, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from baton.client.engine import Engine
from baton.client.engine_in_use import engine_in_use
from baton.client.run import Run
from baton.contrib.events import HEADERS, Streams, server_sent_events, server_sent_items
from baton.errors import BatonError, NoEngine, WorkflowNotFound
from baton.runtime.pool import WorkerPool

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


def baton_lifespan(
    engine: Engine | None = None, *, pool: WorkerPool | None = None, lifespan: Lifespan | None = None
) -> Lifespan:
    """Return a lifespan that opens the engine and, if one is given, runs a worker pool in this process.

    Args:
        engine: left out, `Engine()`, which takes its address from the environment.
        pool: left out, steps are run by other processes, as those of `baton worker`.
        lifespan: the application's own. It is entered with the engine open, and left after the pool has drained, so
            that workers may use what it holds. What it yields is the application's state, as usual.

    Raises on entry: BatonError if it is entered already, and whatever entering engine and pool raises.
    """
    opened = engine or Engine()
    is_entered = False

    @asynccontextmanager
    async def entered(app: FastAPI) -> AsyncIterator[Any]:
        nonlocal is_entered
        if is_entered:
            raise BatonError(
                "this lifespan is entered already; give each application, and each server that runs in this process, a "
                "baton_lifespan(...) of its own"
            )
        is_entered = True
        streams = Streams()
        try:
            async with AsyncExitStack() as stack:
                app.state.baton_engine = await stack.enter_async_context(opened)
                app.state.baton_streams = streams
                state = await stack.enter_async_context(lifespan(app)) if lifespan else None
                if pool is not None:
                    await stack.enter_async_context(pool)
                stack.enter_context(_ended_by_signals(streams))
                yield state
        finally:
            is_entered = False

    return entered


def engine_of(connection: HTTPConnection) -> Engine:
    """Return the engine that the application's lifespan opened; in one that is mounted, the engine entered last.

    Raises: NoEngine
    """
    engine: Engine | None = getattr(connection.app.state, "baton_engine", None) or engine_in_use()
    if engine is None:
        raise NoEngine(
            "no engine is open: make the application with FastAPI(lifespan=baton_lifespan(...)), and in tests enter "
            "its lifespan, as `with TestClient(app)` does"
        )
    return engine


EngineDep = Annotated[Engine, Depends(engine_of)]
"""The type of a handler's parameter that is given the engine."""


def event_stream(request: Request, run: Run, *, children: bool = False, stream: str | None = None) -> StreamingResponse:
    """Return a response that streams what happens in a workflow; see `server_sent_events`.

    A browser that connects again sends the id of the last event that it has, and it goes on behind that one. With the
    name of a `stream` it is what workers publish to that, see `server_sent_items`.

    It ends when the workflow is final, the client leaves, or the server gets SIGTERM or SIGINT. For
    an id that no workflow has it raises an HTTPException of 404, which ends the browser's attempts.
    """
    streams = getattr(request.app.state, "baton_streams", None)
    after = request.headers.get("last-event-id")
    if stream is not None:
        return _EventStream(server_sent_items(run, stream, after, streams=streams))
    return _EventStream(server_sent_events(run, after, children=children, streams=streams))


class _EventStream(StreamingResponse):
    """Sends nothing before it has the first event: until then the answer may still be another one."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(events, headers=HEADERS)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            first = await anext(self._events)
        except WorkflowNotFound as error:
            raise HTTPException(404, str(error)) from error
        self.body_iterator = _with_first(first, self._events)
        await super().__call__(scope, receive, send)


async def _with_first(first: bytes, events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(events):
        yield first
        async for event in events:
            yield event


@contextmanager
def _ended_by_signals(streams: Streams) -> Iterator[None]:
    """End the streams when the server gets a signal to stop.

    Servers leave the lifespan when the last response has ended. A stream does not end by itself, so they would wait for
    their own timeout, and uvicorn has none. Only the signal comes before that.
    """
    loop = asyncio.get_running_loop()
    replaced: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def end(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(streams.end)
        replaced[number](number, frame)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            # Without a handler the signal ends the process, as it should.
            if callable(handler := signal.getsignal(number)):
                replaced[number] = handler
                signal.signal(number, end)
    try:
        yield
    finally:
        for ours, theirs in replaced.items():
            if signal.getsignal(ours) is end:
                signal.signal(ours, theirs)
