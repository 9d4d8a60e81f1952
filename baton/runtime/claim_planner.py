"""What to claim: as many steps of each queue as it has free slots, when the queue may have work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from baton.core.limits import INPUT_BYTES
from baton.database.messages import Claimed, ClaimRequest
from baton.runtime.limited_queues import LimitedQueues, Paced
from baton.runtime.wakeups import StaggeredWakeups

MOST_PER_CLAIM = 500
WORTH_A_CALL = 100
"""One claim takes up to this many free slots of a queue, or half of all its slots if that is more: while this process
runs one half, the server settles and claims for the other."""


@dataclass(frozen=True, slots=True)
class SentClaim:
    """What was known when a claim was sent."""

    wakeups: int
    """The number of the latest wakeup at that time."""
    notified: frozenset[str] = frozenset()
    """The queues it claims from because of a notification."""


class ClaimPlanner:
    """Counts the free slots of each queue, and remembers which queues may have work that no claim has asked for.

    A slot is taken when a claim for it is sent. It is free again when the attempt has ended, or when the claim returned
    nothing for it.

    Args:
        listens: whether notifications arrive. Without them each settle claims from every queue with a free slot.
        wakeups: decides when a notification causes a claim.
        input_bytes: how large the results may be that are delivered to one step.
    """

    def __init__(
        self,
        limits: Mapping[str, int],
        *,
        listens: bool = True,
        wakeups: StaggeredWakeups | None = None,
        input_bytes: int = INPUT_BYTES,
    ) -> None:
        self._listens = listens
        self._input_bytes = input_bytes
        self._staggered = wakeups or StaggeredWakeups()
        self.limits = dict(limits)
        self._free = dict(limits)
        self._most = {queue: min(MOST_PER_CLAIM, max(WORTH_A_CALL, limit // 2)) for queue, limit in limits.items()}
        # The queues that may have work: after a notification, a poll, or a claim that returned all
        # it asked for.
        self._may_have_work = set(limits)
        # The queues with a backlog: the last claim returned all it asked for. Such a queue may have
        # work even while claims from it are under way, until a claim sent after the latest wakeup
        # returns less. Otherwise half of the slots, and one connection, would wait for the other
        # half's claim. See docs/design.md.
        self._has_backlog: set[str] = set()
        self._wakeups = 0
        self._latest_wakeup = dict.fromkeys(limits, 0)
        self._sent: dict[UUID, SentClaim] = {}
        self._is_stopped = False
        self._limited = LimitedQueues()

    def wake(self, queue: str) -> None:
        """Note that this queue may have work. Queues that the pool does not serve are ignored."""
        if queue in self.limits:
            self._wakeups += 1
            self._latest_wakeup[queue] = self._wakeups
            self._may_have_work.add(queue)

    def wake_all(self) -> None:
        """Note that any queue may have work."""
        for queue in self.limits:
            self.wake(queue)

    def notified(self, queue: str, entries: int, now: float) -> None:
        """Plan a wakeup of this queue: a notification announced at least this many entries."""
        if queue in self.limits:
            self._staggered.notified(queue, entries, now)

    def lane_freed(self, queue: str, lane: str) -> None:
        """Note that a step of this lane has ended, in which others may wait for its limit."""
        if queue in self.limits:
            self._limited.lane_freed(queue, lane)
            self.wake(queue)

    @property
    def must_wait_for_locks(self) -> bool:
        """Other claims held the locks of a queue with limits: the next call settles nothing, and may wait for them."""
        return not self._is_stopped and any(self._free[queue] for queue in self._limited.held)

    def pools_counted(self, pools: Sequence[int]) -> None:
        """Note how many living pools serve each queue, this one included; in the order of the queues."""
        self._staggered.pools_counted(dict(zip(self.limits, pools, strict=True)))

    def wake_due(self, now: float) -> None:
        """Wake the queues whose planned wakeup is due."""
        for queue in (*self._staggered.take_due(now), *self._limited.take_due(now)):
            self.wake(queue)

    def next_wakeup_in(self, now: float) -> float | None:
        """Return the seconds until the next planned wakeup, or None if there is none."""
        planned = [
            seconds for seconds in (self._staggered.next_in(now), self._limited.next_in(now)) if seconds is not None
        ]
        return min(planned) if planned else None

    def stop(self) -> None:
        """Claim nothing from now on."""
        self._is_stopped = True

    @property
    def wanted(self) -> int:
        """How many steps are worth claiming now, apart from what outcomes may release."""
        return 0 if self._is_stopped else sum(self._free[queue] for queue in self._may_have_work)

    def reserve(self, token: UUID, *, everywhere: bool) -> ClaimRequest:
        """Take free slots for a claim.

        Args:
            everywhere: whether outcomes leave in the same call. They may release work in any queue, so the claim
                covers all of them; a queue that was seen empty is read only if they do, and so a settle costs the same
                with one queue and with a hundred.
        """
        if self._is_stopped:
            return ClaimRequest(token, {})
        # The call is made anyway, so it may as well claim from queues whose wakeup is planned for
        # later.
        may_have_work = self._may_have_work.union(self._staggered.planned)
        queues = self.limits if everywhere else [queue for queue in self.limits if queue in may_have_work]
        reserved = {queue: min(self._free[queue], self._most[queue]) for queue in queues if self._free[queue] > 0}
        seen_empty = frozenset(reserved.keys() - may_have_work) if self._listens else frozenset()
        for queue, slots in reserved.items():
            self._free[queue] -= slots
        self._may_have_work -= reserved.keys() - self._has_backlog
        self._sent[token] = SentClaim(self._wakeups, self._staggered.claim_sent(reserved.keys() - seen_empty))
        memory = self._limited.memory_for(reserved.keys() - seen_empty)
        return ClaimRequest(token, reserved, seen_empty, self._input_bytes, memory)

    def answered(self, request: ClaimRequest, claimed: Sequence[Claimed]) -> None:
        """Free the slots that a claim did not use. A queue that returned all it was asked for has more."""
        sent = self._sent.pop(request.token, SentClaim(self._wakeups))
        used = dict.fromkeys(request.limits, 0)
        for one in claimed:
            used[one.queue] += 1
        for queue, slots in request.limits.items():
            self._free[queue] += slots - used[queue]
            self._staggered.claim_answered(queue, claimed=used[queue], was_notified=queue in sent.notified)
            if used[queue] == slots:
                self._may_have_work.add(queue)
                self._has_backlog.add(queue)
            elif self._latest_wakeup[queue] <= sent.wakeups:
                self._may_have_work.discard(queue)
                self._has_backlog.discard(queue)

    def paced(self, memory: str | None, now: float) -> list[Paced]:
        """Note what a claim returned of queues with limits. Return those of which it reached another limit."""
        paced = self._limited.answered(memory, now)
        for one in paced:
            if one.next_in == 0:
                self.wake(one.queue)
        return [one for one in paced if self._limited.newly_reached(one)]

    def slot_freed(self, queue: str) -> None:
        """Free the slot of an attempt that has ended."""
        self._free[queue] += 1
