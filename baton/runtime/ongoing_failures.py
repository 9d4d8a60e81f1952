"""What a pool cannot do at the moment, although it tries: parts of its upkeep, and single rows that it passes over.

One row that no call can change must not stop the others, so the engine passes it over. It stays visible here until it
is mended: in the log, in `pool.health()`, and in the table `pools`, where `baton doctor` reads it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from baton.database.connections import describe
from baton.database.messages import PassedOver

log = logging.getLogger("baton.runtime.pool")

MOST_KEPT = 100
MOST_REPORTED = 5
FORGET_SECONDS = 600.0
"""A row is reported for this long after it was last passed over, unless a complete round did not meet it again."""


@dataclass(frozen=True, slots=True)
class OngoingFailure:
    """Something that a pool tries and cannot do."""

    part: str
    """What fails: `mark dead`, `rescue`, `prune`, `stage`, `look` or `claim`."""
    row: str | None
    """The one row that is passed over, in words; None if the part fails as a whole."""
    error: str
    since: float
    """When it was noticed first, by the monotonic clock."""
    seen: float
    """When it was noticed last."""
    count: int = 1
    """How often it was noticed."""

    def __str__(self) -> str:
        if self.row is None:
            return f"{self.part} fails: {self.error}"
        return f"{self.part} passes over {self.row}: {self.error}"


class OngoingFailures:
    """Keeps what fails, from the first failure until the same thing succeeds. Logs each once, and its end."""

    def __init__(self) -> None:
        self._clock = time.monotonic
        self._kept: dict[tuple[str, str | None], OngoingFailure] = {}
        self.sentences: Sequence[str] = ()
        """The oldest, for people. Replaced as a whole, so that another thread may read it."""

    def failed(self, part: str, error: BaseException) -> None:
        """Note that a part failed as a whole."""
        self._note(part, None, describe(error))
        self._publish()

    def succeeded(self, part: str, passed_over: Sequence[PassedOver] = (), *, is_complete: bool = True) -> None:
        """Note that a part succeeded, but for these rows.

        Args:
            is_complete: the part met every row that it is responsible for, so other rows of it are mended.
        """
        if not self._kept and not passed_over:
            return
        met = {one.row for one in passed_over}
        for kept in tuple(self._kept.values()):
            is_stale = kept.row is not None and self._clock() - kept.seen > FORGET_SECONDS
            is_mended = kept.part == part and (kept.row is None or (is_complete and kept.row not in met))
            if is_stale or is_mended:
                del self._kept[kept.part, kept.row]
                log.info("over: %s", kept)
        for one in passed_over:
            self._note(part, one.row, one.error)
        self._publish()

    def lasting(self, seconds: float) -> Sequence[str]:
        """Return the parts that have failed as a whole for longer than this, a sentence each."""
        now = self._clock()
        return [
            str(kept)
            for kept in self._kept.values()
            if kept.row is None and kept.count > 1 and now - kept.since > seconds
        ]

    def _note(self, part: str, row: str | None, error: str) -> None:
        now, known = self._clock(), self._kept.get((part, row))
        if known is not None:
            self._kept[part, row] = replace(known, error=error, seen=now, count=known.count + 1)
        elif len(self._kept) < MOST_KEPT:
            found = OngoingFailure(part, row, error, now, now)
            self._kept[part, row] = found
            if row is not None:
                log.error("%s; the others go on", found)

    def _publish(self) -> None:
        every = [str(kept) for kept in self._kept.values()]
        more = [f"and {len(every) - MOST_REPORTED} more"] if len(every) > MOST_REPORTED else []
        self.sentences = (*every[:MOST_REPORTED], *more)
