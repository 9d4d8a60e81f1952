"""The dashboard as a program of its own, on uvicorn."""

from __future__ import annotations

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from baton.client.engine import Engine
from baton.errors import BatonError
from baton.web.application import Dashboard
from baton.web.sign_in import Gate
from baton.web.users import EVERYTHING, Permission, User

SECONDS_FOR_OPEN_REQUESTS = 2
"""After this time a server that stops leaves the open streams: browsers look for it again by themselves."""


def user_of(*, may_act: bool, sees_data: bool) -> User:
    """Return who has signed in with the token."""
    may: frozenset[Permission] = EVERYTHING if may_act else frozenset({"see data"})
    return User("the operator", may if sees_data else may - {"see data"})


def application(engine: Engine, gate: Gate, prefix: str) -> ASGIApp:
    """Return the dashboard behind its gate; with a prefix, below that path, and nothing above it."""
    app = Dashboard(engine, gate.user, gate, gate.trusted_origins)
    healthy = Route("/healthz", lambda _request: PlainTextResponse("ok\n"), methods=["GET"])
    return Starlette(routes=[healthy, Mount(prefix.rstrip("/"), app)])


async def serve(engine: Engine, gate: Gate, host: str, port: int, prefix: str) -> None:
    """Serve until SIGINT or SIGTERM. Raises `BatonError` if nothing can listen there."""
    config = uvicorn.Config(
        application(engine, gate, prefix),
        host=host or "0.0.0.0",
        port=port,
        lifespan="off",
        log_level="warning",
        # The scheme, of which cookies depend, is taken from a proxy on this machine only.
        proxy_headers=True,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_FOR_OPEN_REQUESTS,
    )
    server = uvicorn.Server(config)
    try:
        await server.serve()
    except SystemExit:
        raise BatonError(f"the dashboard cannot listen at {host}:{port}; name another address with --listen") from None
