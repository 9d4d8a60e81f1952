"""What a pool remembers of queues that have limits, from one claim to the next."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Reached: TypeAlias = Literal["running", "starts", "lanes"]
MOST_FREED = 256
"""Lanes of a queue that are named to its next claim; more are found in their turn."""


@dataclass(frozen=True, slots=True)
class Paced:
    """What a claim said of a queue that has limits."""

    queue: str
    next_in: float | None
    """Seconds until the queue should be asked again; 0 if other claims held its locks, None for no such time."""
    reached: Reached | None
    """The limit that kept the claim from getting more."""


class LimitedQueues:
    """Keeps for each queue with limits where the next claim goes on, and when it is due.

    The database decides; see sql/functions/claim_limited.sql. A queue without limits is never mentioned here.
    """

    def __init__(self) -> None:
        self._memory: dict[str, dict[str, Any]] = {}
        self._freed: dict[str, dict[str, None]] = {}
        self._due: dict[str, float] = {}
        self._held: set[str] = set()
        self._reached: dict[str, Reached | None] = {}

    def lane_freed(self, queue: str, lane: str) -> None:
        """Note that a step of this lane has ended, so that the next claim looks there."""
        freed = self._freed.setdefault(queue, {})
        if len(freed) < MOST_FREED:
            freed[lane] = None

    @property
    def held(self) -> Collection[str]:
        """The queues whose locks other claims held. The next claim of them waits, and so must not settle anything."""
        return self._held

    def memory_for(self, queues: Iterable[str]) -> str | None:
        """Return what a claim from these queues goes by, as JSON; None if none of them has limits."""
        if not self._memory and not self._freed:
            return None
        sent: dict[str, dict[str, Any]] = {}
        for queue in queues:
            self._held.discard(queue)
            self._due.pop(queue, None)
            freed = self._freed.pop(queue, None)
            known = self._memory.get(queue)
            if known is not None or freed:
                sent[queue] = {**(known or {}), "freed": list(freed or ())}
        return json.dumps(sent) if sent else None

    def answered(self, memory: str | None, now: float) -> list[Paced]:
        """Note what a claim returned. Return it for each of its queues that has limits."""
        if memory is None:
            return []
        paced = []
        for queue, known in json.loads(memory).items():
            next_in, reached = known.pop("next_in", None), known.pop("reached", None)
            self._memory[queue] = {key: value for key, value in known.items() if value is not None}
            if next_in == 0:
                self._held.add(queue)
            elif next_in is not None:
                due = now + next_in
                self._due[queue] = min(due, self._due.get(queue, due))
            paced.append(Paced(queue, next_in, reached))
        return paced

    def newly_reached(self, paced: Paced) -> bool:
        """Return whether the claim reached a limit that the one before had not reached."""
        before = self._reached.get(paced.queue)
        self._reached[paced.queue] = paced.reached
        return paced.reached is not None and paced.reached != before

    def take_due(self, now: float) -> list[str]:
        """Return the queues that are to be asked again now, once each."""
        queues = [queue for queue, due in self._due.items() if due <= now]
        for queue in queues:
            del self._due[queue]
        return queues

    def next_in(self, now: float) -> float | None:
        """Return the seconds until a queue is to be asked again; None if there is none."""
        return max(0.0, min(self._due.values()) - now) if self._due else None
