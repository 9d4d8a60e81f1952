"""The time by the database's clock."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from baton.database.connections import Calls


async def now_of(calls: Calls) -> datetime:
    """Return the time by the database's clock."""
    now: datetime = (await calls.fetch("select clock_timestamp() as now"))[0]["now"]
    return now
