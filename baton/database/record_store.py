"""The engine's functions for what attempts leave besides their outcomes, as Python methods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from baton.database.columns import call
from baton.database.migrate import quoted
from baton.database.settling import record_parameters

if TYPE_CHECKING:
    from baton.database.connections import Calls
    from baton.database.messages import AttemptRecord


class RecordStore:
    """Each method is one round trip and a transaction."""

    def __init__(self, calls: Calls, schema: str) -> None:
        self._calls = calls
        prefix = quoted(schema)
        self._leave_records = call(f"{prefix}.leave_records", 8)
        self._prune_debug = call(f"{prefix}.prune_debug", 2)

    async def leave_records(self, records: Sequence[AttemptRecord]) -> None:
        """Write what attempts leave while they run. Replayable."""
        await self._calls.fetch(self._leave_records, *record_parameters(records))

    async def prune_debug(self, keep: timedelta, *, limit: int) -> int:
        """Delete debug records that are older than `keep`; return how many. Replayable."""
        (row,) = await self._calls.fetch(self._prune_debug, keep.total_seconds(), limit)
        deleted: int = row["prune_debug"]
        return deleted
