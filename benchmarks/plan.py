"""What the comparison measures, and the figures that Baton has to reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of the table: one of the values that a measure returns."""

    title: str
    measure: str
    unit: str
    processes: int = 1
    value: str = "value"
    more_is_better: bool = False
    limit: float | None = None
    """The least or the most that Baton has to reach."""
    times_best_peer: float | None = None
    of_bare: float | None = None

    @property
    def run(self) -> tuple[str, int]:
        return self.measure, self.processes


ROWS = (
    Row(
        "drain no-op jobs, one process",
        "drain",
        "jobs/s",
        more_is_better=True,
        times_best_peer=1.5,
        of_bare=0.6,
    ),
    Row("the same, two processes", "drain", "jobs/s", processes=2, more_is_better=True, times_best_peer=1.3),
    Row("insert 10,000 single jobs at once", "bulk", "jobs/s", more_is_better=True, limit=75_000),
    Row("insert single jobs one by one", "one-by-one", "jobs/s", more_is_better=True),
    Row("the same by 16 tasks of a process", "concurrent", "jobs/s", value="callers 16", more_is_better=True),
    Row(
        "by 64 tasks", "concurrent", "jobs/s", value="callers 64", more_is_better=True, limit=20_000, times_best_peer=5
    ),
    Row("by 256 tasks", "concurrent", "jobs/s", value="callers 256", more_is_better=True),
    Row("an endpoint that inserts, 64 connections", "endpoint", "requests/s", more_is_better=True),
    Row("a request of it, p50", "endpoint", "ms", value="p50"),
    Row("the same, p99", "endpoint", "ms", value="p99"),
    Row("pick-up by an idle process, p50", "pick-up", "ms", limit=0.8),
    Row("the same, p99", "pick-up", "ms", value="p99", limit=2),
    Row("from the call that inserts to the start, p50", "pick-up", "ms", value="since_call"),
    Row("chain of 100, per hop", "chain", "ms", limit=1),
    Row("fan-out 1 -> 1000 -> 1", "fan-out", "ms", limit=80),
    Row("500 diamonds, inserted and run", "diamonds", "workflows/s", more_is_better=True, limit=3_000),
    Row("insert a workflow of 10,000 steps, 29,700 edges", "layers", "ms", limit=200),
    Row("to build it before, in Python", "layers", "ms", value="building"),
    Row("an idle process", "idle", "statements/s", limit=0.5),
)
IDLE = "idle"
MEASURES = list(dict.fromkeys(row.measure for row in ROWS))
