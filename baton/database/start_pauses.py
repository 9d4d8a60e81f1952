"""Pauses of runs and workers: none of their steps starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from baton.database.columns import call
from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls

Kind = Literal["run", "worker"]


async def pause_starts(calls: Calls, schema: str, kind: Kind, name: str, actor: str | None) -> bool | None:
    """Pause a run or a worker. Return whether it was not paused, a replay False; None if there is no such run."""
    (row,) = await calls.fetch(call(f"{quoted(schema)}.pause_starts", 3), kind, name, actor)
    paused: bool | None = row["paused"]
    return paused


async def resume_starts(calls: Calls, schema: str, kind: Kind, name: str, actor: str | None) -> bool | None:
    """Resume a run or a worker. Return whether it was paused, a replay False; None if there is no such run."""
    (row,) = await calls.fetch(call(f"{quoted(schema)}.resume_starts", 3), kind, name, actor)
    resumed: bool | None = row["resumed"]
    return resumed
