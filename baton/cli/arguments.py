"""What several commands take, and how the values on a command line are read."""

from __future__ import annotations

import argparse
import getpass
import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

ADDRESS_HELP = "postgresql://...; left out: BATON_DATABASE_URL, DATABASE_URL, or the embedded server"
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([smhd]?)")


def add_address(
    parser: argparse.ArgumentParser, *, address_help: str = ADDRESS_HELP, schema: str | None = "baton"
) -> None:
    """Add --address and --schema. A `schema` of None means that the default is applied later."""
    parser.add_argument("--address", help=address_help)
    parser.add_argument("--schema", default=schema, help=f"the schema of the tables (default: {schema or 'baton'})")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print JSON instead, for programs")


def add_actor(parser: argparse.ArgumentParser) -> None:
    """Add --actor: who makes the change, noted as an intervention."""
    parser.add_argument(
        "--actor",
        default=_login_name(),
        help="who makes this change, which is noted (default: the name you logged in as)",
    )


def add_decision(parser: argparse.ArgumentParser) -> None:
    """Add --reason, --actor, --dry-run and --json: what is noted of a change, and whether it is only shown."""
    parser.add_argument("--reason", help="why, which is noted as well")
    add_actor(parser)
    parser.add_argument("--dry-run", action="store_true", help="change nothing, and print what would change")
    parser.add_argument("--json", action="store_true", help="with --dry-run: print JSON instead, for programs")


def count(text: str) -> int:
    """Read an integer of at least 1. Raises `ArgumentTypeError`, as do the functions below."""
    if not _is_digits(text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 upwards")
    return int(text)


def duration(text: str) -> float:
    """Read a duration: `30` and `30s` are seconds, `5m` minutes, `2h` hours, `7d` days."""
    from baton.core.durations import seconds
    from baton.errors import InvalidOption

    found = _DURATION.fullmatch(text)
    try:
        return seconds("a duration", float(found[1]) * _UNITS[found[2]] if found else math.nan)
    except InvalidOption:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 30, 45s, 5m, 2h or 7d") from None


def duration_or_forever(text: str) -> float:
    """Read a duration; `forever` is infinite."""
    return math.inf if text == "forever" else duration(text)


def queues(text: str) -> Mapping[str, int]:
    """Read `default=20,web=50`: queues, and how many steps of each run at once."""
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, limit = part.strip().rpartition("=")
        if not name or name in found or not _is_digits(limit) or int(limit) == 0:
            raise argparse.ArgumentTypeError(f"{text!r} should read like default=20,web=50, each queue once")
        found[name] = int(limit)
    return found


def json_value(text: str) -> object:
    """Read JSON."""
    try:
        value: object = json.loads(text)
    except ValueError as error:
        hint = "text has double quotes, inside single ones: '\"like this\"'"
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON ({error}); {hint}") from None
    return value


def _login_name() -> str | None:
    try:
        return getpass.getuser()[:200] or None
    except (OSError, KeyError):
        return None  # a container may have no name for its user


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def moment_or_ago(text: str) -> datetime | timedelta:
    """Read a date, a time, or how long ago. Without a zone it is the local time of this machine."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        pass
    try:
        return timedelta(seconds=duration(text))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 2026-11-27 or 2026-11-27T10:00, and not a duration such as 30m, 2h or 7d"
        ) from None
