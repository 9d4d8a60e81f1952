"""`baton web`: the dashboard by itself, for those who know its token."""

from __future__ import annotations

import argparse
import os
import secrets

from baton.cli.arguments import add_address
from baton.cli.failures import CommandError
from baton.cli.health import Listening, parse_listening
from baton.client.engine import Engine
from baton.errors import InvalidOption

TOKEN_VARIABLE = "BATON_WEB_TOKEN"
LISTEN = "127.0.0.1:8020"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Serve the dashboard until it is interrupted. Who opens it is asked for the token. Behind a proxy that serves "
        "HTTPS, pass on the Host header and X-Forwarded-Proto."
    )
    parser.add_argument(
        "--token",
        help=f"what to sign in with; left out, that of the variable {TOKEN_VARIABLE}, or one that is drawn and printed",
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=parse_listening,
        default=parse_listening(LISTEN),
        help=f"where to listen (default: {LISTEN}, which only this machine reaches)",
    )
    parser.add_argument("--read-only", action="store_true", help="who signs in may change nothing")
    parser.add_argument("--hide-data", action="store_true", help="show no arguments and no results")
    parser.add_argument(
        "--prefix", default="", metavar="/PATH", help="serve it below this path, for a proxy that does not strip it"
    )
    parser.add_argument(
        "--origin",
        metavar="URL",
        action="append",
        default=[],
        help="accept writes from this address too, where a proxy changes the Host header; may be repeated",
    )
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Serve until a signal comes."""
    try:
        from baton.web.serving import serve, user_of
        from baton.web.sign_in import Gate
    except ModuleNotFoundError as error:
        raise CommandError(f"baton web needs {error.name}: pip install 'baton-workflows[web]'") from error

    given = arguments.token or os.environ.get(TOKEN_VARIABLE, "")
    token = given or secrets.token_urlsafe(24)
    try:
        gate = Gate(
            token, user_of(may_act=not arguments.read_only, sees_data=not arguments.hide_data), arguments.origin
        )
    except InvalidOption as error:
        raise CommandError(str(error)) from error
    if arguments.prefix and not arguments.prefix.startswith("/"):
        raise CommandError(f"--prefix is {arguments.prefix!r}, and begins with a slash")
    listening: Listening = arguments.listen
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:

        def say(port: int) -> None:
            host = listening.host or "127.0.0.1"
            where = f"[{host}]" if ":" in host else host
            print(f"baton web: http://{where}:{port}{arguments.prefix.rstrip('/')}/", flush=True)
            if not given:
                print(f"token: {token}", flush=True)

        await serve(engine, gate, listening.host, listening.port, arguments.prefix, say)
