"""`baton migrate`, `baton cancel` and `baton retry`."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from baton.client.engine import Engine
from baton.client.run import Run
from baton.database.address import resolve_address
from baton.database.connections import Connector, close
from baton.database.grants import PARTS, Part, grant, grantee
from baton.database.migrate import Migrated
from baton.database.migrate import migrate as migrate_schema


async def migrate(arguments: argparse.Namespace) -> None:
    """Bring the schema up to date, grant roles their part in it, and say what was done."""
    address = await asyncio.to_thread(resolve_address, arguments.address)
    try:
        connection = await Connector(address.dsn).connect("migrate")
        try:
            migrated = await migrate_schema(connection, arguments.schema)
            await grant(connection, arguments.schema, _by_part(arguments.grant))
        finally:
            await close(connection)
    finally:
        await asyncio.to_thread(address.release)
    print(_told(migrated, arguments.schema))
    for part, role in arguments.grant:
        print(f"{grantee(role)} may do what a {part} does")


async def cancel(arguments: argparse.Namespace) -> None:
    """Cancel a workflow or some of its steps and say what became of it."""
    async with Engine(arguments.address, schema=arguments.schema, create=False):
        run = Run(arguments.id)
        count = await run.cancel(*arguments.steps, reason=arguments.reason)
        status = await run.status()
    print(f"cancelled {_steps(count)} of workflow {arguments.id!r}, which is now {status.state}")


async def retry(arguments: argparse.Namespace) -> None:
    """Open failed steps again and say how many."""
    async with Engine(arguments.address, schema=arguments.schema, create=False):
        run = Run(arguments.id)
        count = await run.retry(*arguments.steps)
        status = await run.status()
    print(f"opened {_steps(count)} of workflow {arguments.id!r}, which is now {status.state}")


def granted(text: str) -> tuple[Part, str]:
    """Read `worker=ROLE`, as given to --grant. Raises `ArgumentTypeError`."""
    part, _, role = text.partition("=")
    for known in PARTS:
        if part == known and role:
            return known, role
    raise argparse.ArgumentTypeError(f"{text!r} is not of the form PART=ROLE, with one of {', '.join(PARTS)} as part")


def _by_part(grants: Sequence[tuple[Part, str]]) -> dict[Part, list[str]]:
    return {part: [role for granted_part, role in grants if granted_part == part] for part in PARTS}


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _told(migrated: Migrated, schema: str) -> str:
    if migrated.found == migrated.reached:
        return f"schema {schema!r} is at version {migrated.reached} already"
    if migrated.found == 0:
        return f"created schema {schema!r} at version {migrated.reached}"
    return f"brought schema {schema!r} from version {migrated.found} to version {migrated.reached}"
