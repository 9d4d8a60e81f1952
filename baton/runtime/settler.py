"""Outcomes that wait for the database: which leave together, and which are sent by themselves."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from itertools import groupby

from msgspec import structs

from baton.core.outcome import Outcome
from baton.core.step_ids import workflow_of
from baton.database.failures import Failure
from baton.database.messages import Settlement

log = logging.getLogger("baton.pool")

MOST_PER_CALL = 500


class Settler:
    """Holds outcomes until they are answered. Outcomes that arrive during a call leave with the next call.

    A batch that failed is isolated: it is sent in a call of its own, so that it delays no other outcome. A batch that
    fails there because something in it cannot be stored is halved until the one bad outcome is alone; that outcome
    becomes a failed attempt that says so. A batch that met a locked workflow is split by workflow; what belongs to a
    workflow that stays locked is isolated from then on.
    """

    def __init__(self) -> None:
        self._waiting: deque[Settlement] = deque()
        self._isolated: deque[Sequence[Settlement]] = deque()
        self._locked: set[int] = set()

    def __len__(self) -> int:
        """How many outcomes wait to leave together."""
        return len(self._waiting)

    @property
    def has_isolated(self) -> bool:
        """Whether a batch waits to be sent by itself."""
        return bool(self._isolated)

    def put(self, settling: Settlement) -> None:
        if self._locked and _workflow(settling) in self._locked:
            self._put_isolated(settling)
        else:
            self._waiting.append(settling)

    def _put_isolated(self, settling: Settlement) -> None:
        # Added to the batch of its workflow, if there is one: each batch of a locked workflow costs
        # a lock timeout.
        for index, batch in enumerate(self._isolated):
            if _workflow(batch[0]) == _workflow(settling):
                self._isolated[index] = [*batch, settling]
                return
        self._isolated.append((settling,))

    def take(self) -> list[Settlement]:
        """Return the outcomes that leave with the next call."""
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_PER_CALL))]

    def take_isolated(self) -> Sequence[Settlement]:
        """Return the next batch that is sent by itself."""
        return self._isolated.popleft()

    def settled(self, settling: Sequence[Settlement]) -> None:
        """Note that an isolated batch was answered: its workflows are not locked any more."""
        if self._locked:
            self._locked.difference_update(map(_workflow, settling))

    def isolate(self, settling: Sequence[Settlement], failure: Failure) -> None:
        """Keep the outcomes of a call that failed and that did more than settle them.

        Nothing is blamed on an outcome yet: the claim in the same call may be what failed.
        """
        if failure is Failure.LOCKED:
            self._isolate_by_workflow(settling)
        else:
            self._isolated.append(settling)

    def split(self, settling: Sequence[Settlement], failure: Failure, error: BaseException) -> Settlement | None:
        """Keep an isolated batch that failed, in smaller parts. Return what replaces an outcome that is not stored."""
        match failure:
            case Failure.LOCKED:
                self._isolate_by_workflow(settling)
            case Failure.DATA if len(settling) > 1:
                half = len(settling) // 2
                self._isolated.extend((settling[:half], settling[half:]))
            case Failure.DATA if settling[0].records:
                # Its records may be what the database refuses. The outcome counts more.
                log.error("what an attempt of step %s left could not be stored: %s", settling[0].step_id, error)
                self._isolated.append((structs.replace(settling[0], records=()),))
            case Failure.DATA:
                replaced = _unstorable(settling[0], error)
                self._isolated.append((replaced,))
                return replaced
            case Failure.TRANSIENT | Failure.PERMANENT:
                self._isolated.append(settling)
        return None

    def _isolate_by_workflow(self, settling: Sequence[Settlement]) -> None:
        parts = _by_workflow(settling)
        if len(parts) == 1:
            self._locked.add(_workflow(settling[0]))
        self._isolated.extend(parts)


def _workflow(settling: Settlement) -> int:
    return workflow_of(settling.step_id)


def _by_workflow(settling: Sequence[Settlement]) -> list[Sequence[Settlement]]:
    return [list(group) for _, group in groupby(sorted(settling, key=_workflow), key=_workflow)]


def _unstorable(settling: Settlement, error: BaseException) -> Settlement:
    """Return a failed attempt in place of an outcome that the database refuses."""
    text = f"the outcome of this attempt could not be stored: {type(error).__name__}"
    return structs.replace(settling, outcome=Outcome("failed", text))
