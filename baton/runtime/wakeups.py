"""When a pool answers a notification: at once, or after a random delay. One new step must not make every pool claim.

A notification reaches every pool that listens. Without a stagger all of them would claim at the same moment, and all
but one would find nothing: a thundering herd.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping

WAKE_AT_ONCE = 4
"""For each new entry this many of the pools that have backed off wake at once, in case the pool that usually claims
first is full or slow."""
SPACING_SECONDS = 0.005
"""After these, one pool wakes in each such interval."""
LONGEST_DELAY_SECONDS = 0.25
"""No pool waits longer than this, however many pools there are."""


class StaggeredWakeups:
    """Spreads over a short time the claims of all the pools that one notification reaches. Each pool decides alone.

    At first a pool wakes at once. It backs off when a claim that a notification caused returns nothing: other pools
    were faster. From then on it waits for its position among all pools, drawn anew after each such claim, until a
    claim returns work again. So the pools that claim successfully go on doing so, and a few others wake as well.

    Args:
        draw: returns a position among the pools, between 0 (first) and 1 (last).
    """

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self._others: dict[str, int] = {}
        self._positions: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._notified: set[str] = set()

    def pools_counted(self, pools: Mapping[str, int]) -> None:
        """Note how many living pools serve each queue, this one included."""
        self._others = {queue: max(0, count - 1) for queue, count in pools.items()}

    def notified(self, queue: str, entries: int, now: float) -> None:
        """Plan a wakeup: a notification announced at least this many entries. The more, the more pools wake at once."""
        due = now + self._delay_seconds(queue, entries)
        self._due[queue] = min(due, self._due.get(queue, due))
        self._notified.add(queue)

    @property
    def planned(self) -> Collection[str]:
        """The queues that have a wakeup, due now or later."""
        return self._due.keys()

    def next_in(self, now: float) -> float | None:
        """Return the seconds until the next wakeup, or None if none is planned."""
        return max(0.0, min(self._due.values()) - now) if self._due else None

    def take_due(self, now: float) -> list[str]:
        """Return the queues whose wakeup is due, once each."""
        queues = [queue for queue, due in self._due.items() if due <= now]
        for queue in queues:
            del self._due[queue]
        return queues

    def claim_sent(self, queues: Collection[str]) -> frozenset[str]:
        """Drop the wakeups that a claim from these queues replaces. Return those queues that were notified."""
        notified = frozenset(self._notified.intersection(queues))
        self._notified -= notified
        for queue in queues:
            self._due.pop(queue, None)
        return notified

    def claim_answered(self, queue: str, *, claimed: int, was_notified: bool) -> None:
        """Back off, or stop backing off, by what a claim returned.

        Args:
            claimed: how many steps of the queue it returned.
            was_notified: whether `claim_sent` returned the queue.
        """
        if claimed:
            self._positions.pop(queue, None)
            # A notification during the claim may announce what the claim returned. A later claim
            # that finds nothing more does not show that this pool is slow.
            self._notified.discard(queue)
        elif was_notified:
            self._positions[queue] = self._draw()

    def _delay_seconds(self, queue: str, entries: int) -> float:
        others = self._others.get(queue, 0)
        before = self._positions.get(queue, 0.0) * others / entries
        return max(0.0, before - WAKE_AT_ONCE) * min(SPACING_SECONDS, LONGEST_DELAY_SECONDS / max(1, others))
