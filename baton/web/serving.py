"""The dashboard as a program of its own, on uvicorn."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

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


async def serve(
    engine: Engine, gate: Gate, host: str, port: int, prefix: str, is_listening: Callable[[int], None]
) -> None:
    """Serve until SIGINT or SIGTERM. `is_listening` is called with the port. Raises `BatonError` if it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise BatonError(
            f"the dashboard cannot listen at {host}:{port}: {error.strerror}; name another address with --listen"
        ) from error
    config = uvicorn.Config(
        application(engine, gate, prefix),
        lifespan="off",
        log_level="warning",
        # The scheme, on which cookies depend, is taken from a proxy on this machine only.
        proxy_headers=True,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_FOR_OPEN_REQUESTS,
    )
    # uvicorn raises the signal again once it has ended. SIGTERM would end the process before its engine is closed.
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    with listening:
        is_listening(listening.getsockname()[1])
        await uvicorn.Server(config).serve(sockets=[listening])
