"""Baton in an aiohttp application: engine and pool live as long as it does, and handlers find the engine in it.

app.cleanup_ctx.append(baton_context(Engine()))
app.on_shutdown.append(end_streams)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, suppress

from aiohttp import web

from baton.client.engine import Engine
from baton.client.engine_in_use import engine_in_use
from baton.client.run import Run
from baton.contrib.events import HEADERS, Streams, server_sent_events, server_sent_items
from baton.errors import NoEngine, WorkflowNotFound
from baton.runtime.pool import WorkerPool

ENGINE = web.AppKey("baton_engine", Engine)
"""Where the engine is: `request.config_dict[ENGINE]`, in the application itself `app[ENGINE]`."""
STREAMS = web.AppKey("baton_streams", Streams)
"""The event streams that are open, as `app[STREAMS].number_open`."""


def baton_context(
    engine: Engine | None = None, *, pool: WorkerPool | None = None
) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return a member of `cleanup_ctx` that opens the engine and, if one is given, runs a worker pool in this process.

    Append it after the contexts that workers need: the pool drains before what was entered earlier is left. `engine`
    left out is `Engine()`, which takes its address from the environment.

    Raises on entry: whatever entering engine and pool raises.
    """
    opened = engine or Engine()

    async def context(app: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app[ENGINE] = await stack.enter_async_context(opened)
            app[STREAMS] = Streams()
            if pool is not None:
                await stack.enter_async_context(pool)
            yield

    return context


def engine_of(request: web.Request) -> Engine:
    """Return the engine that the application's context opened. Raises `NoEngine`."""
    engine: Engine | None = request.config_dict.get(ENGINE) or engine_in_use()
    if engine is None:
        raise NoEngine("no engine is open: let the application do it with app.cleanup_ctx.append(baton_context(...))")
    return engine


async def event_stream(
    request: web.Request, run: Run, *, children: bool = False, stream: str | None = None
) -> web.StreamResponse:
    """Stream what happens in a workflow, and return the response when it is final or the client has left.

    A browser that connects again sends the id of the last event that it has, and it goes on behind that one. With the
    name of a `stream` it is what workers publish to that, see `server_sent_items`; else see `server_sent_events`. That
    it ends when the server stops needs `app.on_shutdown.append(end_streams)`.

    Raises: HTTPNotFound for an id that no workflow has, which ends the browser's attempts.
    """
    after, streams = request.headers.get("Last-Event-ID"), request.config_dict.get(STREAMS)
    events = (
        server_sent_events(run, after, children=children, streams=streams)
        if stream is None
        else server_sent_items(run, stream, after, streams=streams)
    )
    async with aclosing(events):
        try:
            first = await anext(events)
        except WorkflowNotFound as error:
            raise web.HTTPNotFound(text=str(error)) from error
        response = web.StreamResponse(headers=HEADERS)
        # aiohttp notices at the next write that the client has left.
        with suppress(ConnectionResetError):
            await response.prepare(request)
            await response.write(first)
            async for event in events:
                await response.write(event)
    return response


async def end_streams(app: web.Application) -> None:
    """End the open streams: to be called by `on_shutdown`, since aiohttp waits for open responses afterwards."""
    if STREAMS in app:
        app[STREAMS].end()
