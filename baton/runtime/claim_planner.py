"""What to claim: so many steps of each queue as it has free slots, when there may be work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from baton.database.messages import Claimed, ClaimRequest
from baton.runtime.wakeups import StaggeredWakeups

MOST_PER_CLAIM = 500
WORTH_A_CALL = 100
"""So many free slots of a queue go into one claim; of more, half of all its slots: while one half runs here, the server
settles and claims for the other."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was known when a claim was sent."""

    words: int
    """The number of the last word until then."""
    prompted: frozenset[str] = frozenset()
    """The queues it looks into because of a notice."""


class ClaimPlanner:
    """Keeps the slots of each queue, and knows in which queues there may be work that nobody has looked at.

    A slot is taken when a claim for it is sent, and free again when the attempt has ended or the claim brought nothing.

    Args:
        hears: whether notices arrive; without them each settle looks into every queue with a free slot.
        turns: says when to look into a queue that a notice named.
    """

    def __init__(self, limits: Mapping[str, int], *, hears: bool = True, turns: StaggeredWakeups | None = None) -> None:
        self._hears = hears
        self._turns = turns or StaggeredWakeups()
        self.limits = dict(limits)
        self._free = dict(limits)
        self._most = {queue: min(MOST_PER_CLAIM, max(WORTH_A_CALL, limit // 2)) for queue, limit in limits.items()}
        # A queue is promising after word of it, a poll or a claim that brought all it asked for.
        self._promising = set(limits)
        # After such a claim it is plentiful, and promising while the next ones are under way, until one that was sent
        # after the last word brings less: else half of the slots waits for the other's claim, one line of the pool
        # asleep (a drain went at 20k instead of 26k/s). Before, one claim is enough to see whether there is anything.
        self._plentiful: set[str] = set()
        self._words = 0
        self._last_word = dict.fromkeys(limits, 0)
        self._sent: dict[UUID, Sent] = {}
        self._is_stopped = False

    def look_at(self, queue: str) -> None:
        """There may be work in this queue."""
        if queue in self.limits:
            self._words += 1
            self._last_word[queue] = self._words
            self._promising.add(queue)

    def look_everywhere(self) -> None:
        for queue in self.limits:
            self.look_at(queue)

    def told(self, queue: str, entries: int, now: float) -> None:
        """A notice said that there are at least so many entries: look at this queue when the pool's turn comes."""
        if queue in self.limits:
            self._turns.told(queue, entries, now)

    def counted(self, pools: Sequence[int]) -> None:
        """So many living pools serve each queue, this one among them; in the order of the queues."""
        self._turns.counted(dict(zip(self.limits, pools, strict=True)))

    def take_turns(self, now: float) -> None:
        """Look at the queues whose turn has come."""
        for queue in self._turns.take(now):
            self.look_at(queue)

    def next_turn_in(self, now: float) -> float | None:
        """Seconds until the next turn, None if there is none."""
        return self._turns.next_in(now)

    def stop(self) -> None:
        """Claim nothing from now on."""
        self._is_stopped = True

    @property
    def wanted(self) -> int:
        """How many steps would be claimed now for the sake of claiming."""
        return 0 if self._is_stopped else sum(self._free[queue] for queue in self._promising)

    def reserve(self, token: UUID, *, everywhere: bool) -> ClaimRequest:
        """Take the free slots for a claim: of the promising queues, or of all, as what is settled may release work.

        The others are looked at only if it does, so that a settle costs the same with one queue and with a hundred.
        """
        if self._is_stopped:
            return ClaimRequest(token, {})
        # The call is made anyway, so it serves as well what waits for its turn.
        promising = self._promising.union(self._turns.awaited)
        queues = self.limits if everywhere else [queue for queue in self.limits if queue in promising]
        reserved = {queue: min(self._free[queue], self._most[queue]) for queue in queues if self._free[queue] > 0}
        seen_empty = frozenset(reserved.keys() - promising) if self._hears else frozenset()
        for queue, slots in reserved.items():
            self._free[queue] -= slots
        self._promising -= reserved.keys() - self._plentiful
        self._sent[token] = Sent(self._words, self._turns.looks(reserved.keys() - seen_empty))
        return ClaimRequest(token, reserved, seen_empty)

    def claimed(self, claiming: ClaimRequest, claimed: Sequence[Claimed]) -> None:
        """A claim was answered: what it did not use is free again; a queue that gave all it was asked for has more."""
        sent = self._sent.pop(claiming.token, Sent(self._words))
        used = dict.fromkeys(claiming.limits, 0)
        for one in claimed:
            used[one.queue] += 1
        for queue, slots in claiming.limits.items():
            self._free[queue] += slots - used[queue]
            self._turns.looked(queue, brought=used[queue], is_prompted=queue in sent.prompted)
            if used[queue] == slots:
                self._promising.add(queue)
                self._plentiful.add(queue)
            elif self._last_word[queue] <= sent.words:
                self._promising.discard(queue)
                self._plentiful.discard(queue)

    def ended(self, queue: str) -> None:
        """An attempt gave its slot back."""
        self._free[queue] += 1
