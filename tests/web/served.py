"""A dashboard that is served over a socket, for browsers, and one that is asked directly."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from html import unescape
from typing import Any

import httpx
import uvicorn

from baton.tasks import Tasks
from baton.web import User, dashboard
from tests.waiting import eventually

ANN = User("ann", may="everything")
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def everybody_is(user: Any) -> Callable[[object], Any]:
    return lambda _request: user


@asynccontextmanager
async def asking(app: Any, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client that asks an application without a socket, at the address `http://dashboard/`."""
    options = {"base_url": "http://dashboard/", **options}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), **options) as client:
        yield client


@asynccontextmanager
async def asking_as(engine: Any, user: Any = ANN) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(dashboard(engine, user=everybody_is(user))) as client:
        yield client


@asynccontextmanager
async def serving(app: Any, port: int = 0) -> AsyncIterator[str]:
    """Serve an application on a free port of this machine, and yield its address."""
    config = uvicorn.Config(app, port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server, tasks = uvicorn.Server(config), Tasks()
    tasks.start(server.serve(), name="test server")
    try:
        await eventually(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        await tasks.ended(10)
        await tasks.aclose()


def token_in(html: str) -> str:
    found = re.search(r'name="write_token" value="([^"]+)"', html)
    assert found, html
    return unescape(found[1])


async def confirmed(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    """Do an action as a browser does: load its form, and send it."""
    query = {name: value for name, value in fields.items() if name in ("action", "id", "step", "queue", "schedule")}
    form = await client.get("confirm", params=query)
    assert form.status_code == 200, form.text
    return await client.post("confirm", data={"write_token": token_in(form.text), **fields}, headers=SAME_ORIGIN)
