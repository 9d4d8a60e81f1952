"""Records for tests of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SampleRecord:
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


def made(*records: SampleRecord) -> dict[str, SampleRecord]:
    return {record.name: record for record in records}


def ended(name: str, state: str, second: float) -> SampleRecord:
    return SampleRecord(name, state, at(second))
