"""`baton migrate`, `baton cancel` and `baton retry`."""

from __future__ import annotations

import argparse
import asyncio

from baton.database.address import resolve_address
from baton.database.connections import Dialing, close
from baton.database.migrate import Migrated
from baton.database.migrate import migrate as migrate_schema
from baton.engine import Engine
from baton.run import Run


async def migrate(arguments: argparse.Namespace) -> None:
    """Bring the schema up to date and say from which version to which."""
    address = await asyncio.to_thread(resolve_address, arguments.address)
    try:
        connection = await Dialing(address.dsn).connect("migrate")
        try:
            migrated = await migrate_schema(connection, arguments.schema)
        finally:
            await close(connection)
    finally:
        await asyncio.to_thread(address.release)
    print(_told(migrated, arguments.schema))


async def cancel(arguments: argparse.Namespace) -> None:
    """Cancel a workflow or some of its steps and say what became of it."""
    async with Engine(arguments.address, schema=arguments.schema):
        run = Run(arguments.id)
        count = await run.cancel(*arguments.steps, reason=arguments.reason)
        status = await run.status()
    print(f"cancelled {_steps(count)} of workflow {arguments.id!r}, which is now {status.state}")


async def retry(arguments: argparse.Namespace) -> None:
    """Open failed steps again and say how many."""
    async with Engine(arguments.address, schema=arguments.schema):
        run = Run(arguments.id)
        count = await run.retry(*arguments.steps)
        status = await run.status()
    print(f"opened {_steps(count)} of workflow {arguments.id!r}, which is now {status.state}")


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _told(migrated: Migrated, schema: str) -> str:
    if migrated.found == migrated.reached:
        return f"schema {schema!r} is at version {migrated.reached} already"
    if migrated.found == 0:
        return f"created schema {schema!r} at version {migrated.reached}"
    return f"brought schema {schema!r} from version {migrated.found} to version {migrated.reached}"
