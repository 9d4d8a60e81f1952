"""Outcomes on their way to the database: what leaves together, and what is sent apart because it held up the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import groupby

from msgspec import structs

from baton.core.outcome import Outcome
from baton.core.step_ids import workflow_of
from baton.database.failures import Failure
from baton.database.messages import Settlement

MOST_PER_CALL = 500


class Settler:
    """Holds outcomes until they are answered. What arrives during a call leaves with the next.

    A batch that cannot be stored is halved until the one bad outcome is alone; it becomes a failed attempt that says
    so. A batch that met a locked workflow is split by workflow, and those that stay locked go apart, so that one
    locked workflow stalls nobody else.
    """

    def __init__(self) -> None:
        self._waiting: deque[Settlement] = deque()
        self._apart: deque[Sequence[Settlement]] = deque()
        self._locked: set[int] = set()

    def __len__(self) -> int:
        """How many outcomes wait to leave together."""
        return len(self._waiting)

    @property
    def has_apart(self) -> bool:
        return bool(self._apart)

    def put(self, settling: Settlement) -> None:
        if self._locked and _workflow(settling) in self._locked:
            self._put_apart(settling)
        else:
            self._waiting.append(settling)

    def _put_apart(self, settling: Settlement) -> None:
        # To those of its workflow that wait already: each batch of a locked workflow costs a lock timeout.
        for place, batch in enumerate(self._apart):
            if _workflow(batch[0]) == _workflow(settling):
                self._apart[place] = [*batch, settling]
                return
        self._apart.append((settling,))

    def take(self) -> list[Settlement]:
        """Return what leaves with the next call."""
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_PER_CALL))]

    def take_apart(self) -> Sequence[Settlement]:
        """Return the next batch that is sent apart."""
        return self._apart.popleft()

    def settled(self, settling: Sequence[Settlement]) -> None:
        """A batch sent apart was answered: its workflows are not locked any more."""
        if self._locked:
            self._locked.difference_update(map(_workflow, settling))

    def split(self, settling: Sequence[Settlement], failure: Failure, error: BaseException) -> Settlement | None:
        """Keep a batch that failed, in smaller parts. Returns what replaces an outcome that cannot be stored."""
        match failure:
            case Failure.LOCKED:
                parts = _by_workflow(settling)
                if len(parts) == 1:
                    self._locked.add(_workflow(settling[0]))
                self._apart.extend(parts)
            case Failure.DATA if len(settling) > 1:
                half = len(settling) // 2
                self._apart.extend((settling[:half], settling[half:]))
            case Failure.DATA:
                replaced = _unstorable(settling[0], error)
                self._apart.append((replaced,))
                return replaced
            case Failure.PASSING | Failure.LASTING:
                self._apart.append(settling)
        return None


def _workflow(settling: Settlement) -> int:
    return workflow_of(settling.step_id)


def _by_workflow(settling: Sequence[Settlement]) -> list[Sequence[Settlement]]:
    return [list(group) for _, group in groupby(sorted(settling, key=_workflow), key=_workflow)]


def _unstorable(settling: Settlement, error: BaseException) -> Settlement:
    """Return a failed attempt in place of an outcome the database refuses."""
    text = f"the outcome of this attempt could not be stored: {type(error).__name__}"
    return structs.replace(settling, outcome=Outcome("failed", text))
