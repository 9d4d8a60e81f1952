"""The metrics that there are, and their text in the format that Prometheus scrapes. Without input or output."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    1800.0,
    7200.0,
)
"""Seconds: from a call of a cache to a step that takes hours."""

Merge = Literal["sum", "max", "min"]
Labels: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric, with its labels. No label is an id: the number of series follows the code, and not the work."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Labels = ()
    merge: Merge = "sum"
    """How the values of several processes make one: what the database says, each of them says again."""


ATTEMPTS = Family(
    "baton_attempts_total",
    "counter",
    "Attempts that have ended, by how: completed, failed (another one follows), discarded (none does), cancelled, "
    "skipped, snoozed, given_back, unknown_worker, misfit, expanded, lost, stopped.",
    ("queue", "worker", "outcome"),
)
ATTEMPT_SECONDS = Family("baton_attempt_seconds", "histogram", "How long the worker's code ran.", ("worker",))
RUNNING = Family("baton_attempts_running", "gauge", "Attempts that run now.", ("queue",))
SLOTS = Family("baton_slots", "gauge", "How many attempts of the queue may run at once.", ("queue",))
CLAIMED = Family("baton_steps_claimed_total", "counter", "Steps that were claimed.")
LIMITS_REACHED = Family(
    "baton_limits_reached_total",
    "counter",
    "How often a limit of the queue began to keep claims from getting more: running, starts or lanes.",
    ("queue", "limit"),
)
REFUSED = Family(
    "baton_outcomes_refused_total", "counter", "Outcomes that did not count: another claim owned the step."
)
REPLACED = Family("baton_outcomes_replaced_total", "counter", "Outcomes that could not be stored as they were.")
CALL_FAILURES = Family("baton_call_failures_total", "counter", "Calls to the database that were sent again.", ("call",))
RESCUED = Family(
    "baton_steps_rescued_total",
    "counter",
    "Steps that upkeep took from pools: lost with their pool, or given_back because a claim was never answered.",
    ("reason",),
)
WORKFLOWS_FAILED = Family(
    "baton_workflows_failed_total",
    "counter",
    "Workflows that failed with an outcome that this process settled; not those that a deadline or an operator ended.",
)
SLOTS_FIRED = Family(
    "baton_schedule_slots_total",
    "counter",
    "Slots of schedules that this process came to, by what became of them: fired, skipped, waiting, missed, failed.",
    ("schedule", "outcome"),
)
DEADLINES = Family("baton_deadlines_passed_total", "counter", "Steps and workflows that were ended by a deadline.")
POOLS_DIED = Family("baton_pools_died_total", "counter", "Pools of which upkeep found that their lease had run out.")
PRUNED = Family("baton_workflows_pruned_total", "counter", "Finished workflows that were deleted.")
UPKEEP_FAILURES = Family("baton_upkeep_failures_total", "counter", "Parts of upkeep that failed.", ("part",))
LEASES_LOST = Family("baton_leases_lost_total", "counter", "How often a pool lost its lease.")
LEASE_SECONDS = Family(
    "baton_lease_remaining_seconds", "gauge", "How long the lease lasts if it is not renewed.", merge="min"
)
READY = Family("baton_ready", "gauge", "1 if the pool does all its work, as /readyz says.", merge="min")
ENTRIES = Family(
    "baton_queue_entries", "gauge", "Entries of the queue in the whole database.", ("queue", "state"), merge="max"
)
OLDEST_SECONDS = Family(
    "baton_queue_oldest_seconds",
    "gauge",
    "For how long the oldest entry of the queue has been available, or its longest attempt executing.",
    ("queue", "state"),
    merge="max",
)
PAUSED = Family("baton_queue_paused", "gauge", "1 for a queue that is paused.", ("queue",), merge="max")

FAMILIES: tuple[Family, ...] = (
    *(ATTEMPTS, ATTEMPT_SECONDS, RUNNING, SLOTS, CLAIMED, REFUSED, REPLACED, CALL_FAILURES, RESCUED, POOLS_DIED),
    *(
        LIMITS_REACHED,
        PRUNED,
        UPKEEP_FAILURES,
        LEASES_LOST,
        WORKFLOWS_FAILED,
        SLOTS_FIRED,
        DEADLINES,
        LEASE_SECONDS,
        READY,
        ENTRIES,
        OLDEST_SECONDS,
        PAUSED,
    ),
)
_BY_NAME = {family.name: family for family in FAMILIES}


@dataclass(slots=True)
class Histogram:
    """Durations, counted by the first bound that they do not exceed."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    def plus(self, other: Histogram) -> Histogram:
        return Histogram([a + b for a, b in zip(self.counts, other.counts, strict=True)], self.sum + other.sum)


Value: TypeAlias = float | Histogram


class Samples:
    """The values of all metrics, by family and labels."""

    def __init__(self) -> None:
        self._values: dict[str, dict[Labels, Value]] = {}

    def add(self, family: Family, labels: Labels = (), by: float = 1) -> None:
        values = self._values.setdefault(family.name, {})
        before = values.get(labels, 0.0)
        assert not isinstance(before, Histogram)
        values[labels] = before + by

    def put(self, family: Family, value: float, labels: Labels = ()) -> None:
        self._values.setdefault(family.name, {})[labels] = value

    def time(self, family: Family, seconds: float, labels: Labels) -> None:
        values = self._values.setdefault(family.name, {})
        histogram = values.setdefault(labels, Histogram())
        assert isinstance(histogram, Histogram)
        histogram.add(seconds)

    def merge(self, other: Samples) -> None:
        """Take in the values of another process."""
        for name, found in other._values.items():
            values = self._values.setdefault(name, {})
            for labels, value in found.items():
                known = values.get(labels)
                values[labels] = value if known is None else _merged(_BY_NAME[name].merge, known, value)

    def totals(self) -> Samples:
        """Return what only ever grows: what remains true of a process that has ended."""
        totals = Samples()
        totals._values = {name: dict(values) for name, values in self._values.items() if _BY_NAME[name].kind != "gauge"}
        return totals

    def text(self) -> str:
        """Return them in the text format of Prometheus."""
        return "".join(f"{line}\n" for family in FAMILIES for line in self._lines(family))

    def as_json(self) -> dict[str, Any]:
        """Return them as values that JSON has; `from_json` reads them."""
        return {
            name: [
                [labels, [value.counts, value.sum] if isinstance(value, Histogram) else value]
                for labels, value in values.items()
            ]
            for name, values in self._values.items()
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Samples:
        samples = cls()
        for name, values in stored.items():
            samples._values[name] = {
                tuple(labels): Histogram(*value) if isinstance(value, list) else float(value)
                for labels, value in values
            }
        return samples

    def _lines(self, family: Family) -> Iterator[str]:
        values = self._values.get(family.name)
        if values is None and family.labels:
            return
        yield f"# HELP {family.name} {_escaped_help(family.help)}"
        yield f"# TYPE {family.name} {family.kind}"
        for labels, value in sorted((values or {(): 0.0}).items(), key=lambda item: item[0]):
            yield from _sample_lines(family, labels, value)


def _sample_lines(family: Family, labels: Labels, value: Value) -> Iterator[str]:
    pairs = list(zip(family.labels, labels, strict=True))
    if not isinstance(value, Histogram):
        yield f"{family.name}{_labelled(pairs)} {_number(value)}"
        return
    below = 0
    for bound, count in zip((*BOUNDS, math.inf), value.counts, strict=True):
        below += count
        yield f"{family.name}_bucket{_labelled([*pairs, ('le', _number(bound))])} {below}"
    yield f"{family.name}_sum{_labelled(pairs)} {_number(value.sum)}"
    yield f"{family.name}_count{_labelled(pairs)} {below}"


def _merged(merge: Merge, one: Value, other: Value) -> Value:
    if isinstance(one, Histogram) or isinstance(other, Histogram):
        assert isinstance(one, Histogram)
        assert isinstance(other, Histogram)
        return one.plus(other)
    match merge:
        case "sum":
            return one + other
        case "max":
            return max(one, other)
        case "min":
            return min(one, other)


def _labelled(pairs: Sequence[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _escaped_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(value)


def sample_names(families: Iterable[Family] = FAMILIES) -> Iterator[str]:
    """Return the names of the series of these metrics, as queries use them."""
    for family in families:
        yield from (
            [f"{family.name}_{end}" for end in ("bucket", "sum", "count")]
            if family.kind == "histogram"
            else [family.name]
        )
