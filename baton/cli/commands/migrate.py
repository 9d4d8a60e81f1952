"""`baton migrate`: create the schema or bring it up to date, and grant roles their part in it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from baton.cli.arguments import add_address
from baton.cli.connection import connected
from baton.database.grants import PARTS, Part, grant, grantee
from baton.database.migrate import Migrated, migrate

_GRANT_HELP = (
    "let a database role be a worker, client, operator or viewer, or read debug records, as in "
    "--grant worker=app_worker; may be repeated"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--grant", action="append", default=[], type=_grant, metavar="PART=ROLE", help=_GRANT_HELP)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Bring the schema up to date, grant roles their part in it, and print what was done."""
    async with connected(arguments.address, "migrate") as connection:
        migrated = await migrate(connection, arguments.schema)
        await grant(connection, arguments.schema, _by_part(arguments.grant))
    print(_described(migrated, arguments.schema))
    for part, role in arguments.grant:
        does = "read debug records" if part == "debug" else f"do what a {part} does"
        print(f"{grantee(role)} may {does}")


def _grant(text: str) -> tuple[Part, str]:
    """Read `worker=ROLE`. Raises `ArgumentTypeError`."""
    part, _, role = text.partition("=")
    for known in PARTS:
        if part == known and role:
            return known, role
    raise argparse.ArgumentTypeError(f"{text!r} is not of the form PART=ROLE, with one of {', '.join(PARTS)} as part")


def _by_part(grants: Sequence[tuple[Part, str]]) -> dict[Part, list[str]]:
    return {part: [role for granted_part, role in grants if granted_part == part] for part in PARTS}


def _described(migrated: Migrated, schema: str) -> str:
    if migrated.found == migrated.reached:
        return f"schema {schema!r} is at version {migrated.reached} already"
    if migrated.found == 0:
        return f"created schema {schema!r} at version {migrated.reached}"
    return f"brought schema {schema!r} from version {migrated.found} to version {migrated.reached}"
