"""When a pool that is told of work looks for it: at once, or in its turn, so that one step does not bring a crowd."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping

FEW = 4
"""So many of the pools that wait for their turn look at once, for each entry they were told of: the one that takes what
comes may be full or slow. Without them, on two busy processors, five pools picked up 0.6 ms later, and fifty, that one
being full, 3 ms later."""
SPACING_SECONDS = 0.005
"""After these, one looks in each such span."""
LONGEST_SECONDS = 0.25
"""No pool waits longer for its turn, however many there are."""


class StaggeredWakeups:
    """Spreads the looks of all the pools that one notice reaches over a short time. Each decides for itself.

    A pool is eager for a queue, and looks at once, until a look that a notice prompted brings nothing: others were
    faster. Then it is lazy until a look of any kind brings work. A lazy pool has a place in the crowd, drawn anew after
    each such look, and waits for its turn; all that it is told meanwhile is served by the one look. So whoever takes
    what comes goes on taking it, and of the others a few come at the same time, in case that it is full, slow or dead.

    Args:
        draw: gives a place in the crowd, between 0 (first) and 1 (last).
    """

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self._others: dict[str, int] = {}
        self._places: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._prompted: set[str] = set()

    def counted(self, pools: Mapping[str, int]) -> None:
        """So many living pools serve each queue, this one among them."""
        self._others = {queue: max(0, count - 1) for queue, count in pools.items()}

    def told(self, queue: str, entries: int, now: float) -> None:
        """A notice said that there are at least so many entries. The more there are, the more pools come at a time."""
        due = now + self._wait_seconds(queue, entries)
        self._due[queue] = min(due, self._due.get(queue, due))
        self._prompted.add(queue)

    @property
    def awaited(self) -> Collection[str]:
        """The queues in which a look is due, now or later."""
        return self._due.keys()

    def next_in(self, now: float) -> float | None:
        """Seconds until the next turn; None if there was no word since the last."""
        return max(0.0, min(self._due.values()) - now) if self._due else None

    def take(self, now: float) -> list[str]:
        """Return the queues whose turn has come, once."""
        queues = [queue for queue, due in self._due.items() if due <= now]
        for queue in queues:
            del self._due[queue]
        return queues

    def looks(self, queues: Collection[str]) -> frozenset[str]:
        """A look into these queues sets out, and serves all that was told. Returns those that a notice prompted."""
        prompted = frozenset(self._prompted.intersection(queues))
        self._prompted -= prompted
        for queue in queues:
            self._due.pop(queue, None)
        return prompted

    def looked(self, queue: str, *, brought: int, is_prompted: bool) -> None:
        """A look came back."""
        if brought:
            self._places.pop(queue, None)
            # What was told while it was under way may be what it brought: to find no more is no sign of being slow.
            self._prompted.discard(queue)
        elif is_prompted:
            self._places[queue] = self._draw()

    def _wait_seconds(self, queue: str, entries: int) -> float:
        others = self._others.get(queue, 0)
        before = self._places.get(queue, 0.0) * others / entries
        return max(0.0, before - FEW) * min(SPACING_SECONDS, LONGEST_SECONDS / max(1, others))
