"""What a pool tells of itself: to probes, and at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """How a worker pool is at this moment, from what it knows: no question is put to the database."""

    name: str
    pool: int | None
    """The number it is registered under; None before it is entered, after it is left, and while its lease is lost."""
    queues: Mapping[str, int]
    """How many steps of each queue it runs at once."""
    running: int
    """How many attempts run."""
    lease_seconds: float
    """For how long the lease holds yet if the database answers no more; 0 if there is none."""
    is_database_answering: bool
    """The last beat was answered. There are three beats a lease, so this is at most a third of a lease old."""
    is_draining: bool
    failures: Sequence[str] = ()
    """What fails in it at the moment, a sentence each: parts of its upkeep, and single rows that it passes over."""
    lasting_failures: Sequence[str] = ()
    """The parts of its upkeep that have failed for longer than a lease."""

    @property
    def is_ready(self) -> bool:
        """Whether it does all its work: registered, its lease held, the database answering, not draining, no part of
        its upkeep failing for longer than a lease. Rows that are passed over do not count."""
        return not self.faults

    @property
    def faults(self) -> Sequence[str]:
        """Why it is not ready; empty if it is."""
        if self.is_draining:
            return ["it is draining"]
        if self.pool is None:
            return ["it is not registered"]
        faults = [] if self.is_database_answering else ["the database does not answer"]
        if self.lease_seconds <= 0:
            faults.append("its lease ran out")
        return [*faults, *[f"its upkeep cannot go on: {failure}" for failure in self.lasting_failures]]


@dataclass(frozen=True, slots=True)
class Drained:
    """How a drain went."""

    cut_short: int
    """How many attempts had not ended within the grace, and were cancelled and given back."""
    is_settled: bool
    """False: the database did not answer in time, and steps that ended here run again elsewhere."""
