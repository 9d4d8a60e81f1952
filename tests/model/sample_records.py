"""Records written by hand, to try the model on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Made:
    """A record of a step."""

    name: str
    state: str
    finished_at: datetime | None
    attempt: int = 0
    attempted_at: datetime | None = None
    dependencies: Sequence[str] = ()
    result: Any = None
    reason: str | None = None
    errors: Sequence[Mapping[str, Any]] = ()
    queue: str = "default"
    pending: int = 0
    pool: int | None = None


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def made(*records: Made) -> dict[str, Made]:
    return {record.name: record for record in records}


def ended(name: str, state: str, second: float) -> Made:
    return Made(name, state, at(second))
