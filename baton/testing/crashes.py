"""The crashes that a test asks for: where each happens, and whether it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from baton.core.outcome import Outcome
from baton.database.messages import Claimed
from baton.testing.errors import NeverReached, NotIdempotent

Place = Literal["before", "after", "again"]
"""Before the worker is called; after it has returned and before its outcome is settled; the same, and then at once the
next attempt, which is compared with this one."""

_CALLS: dict[Place, str] = {"before": "crash_before", "after": "crash_after", "again": "runs_twice"}


@dataclass(slots=True)
class Crash:
    """One planned crash."""

    step: str
    place: Place
    times: int
    """How often it is still to happen."""
    is_compared: bool = False
    first: dict[tuple[str, str], str] = field(default_factory=dict)
    """What an attempt that was lost had returned, by workflow and step."""

    def happens_in(self, claimed: Claimed) -> bool:
        is_attempt = not claimed.is_join and claimed.map is None
        return self.times > 0 and is_attempt and claimed.step == self.step

    def check_second(self, claimed: Claimed, outcome: Outcome | None) -> None:
        """Compare an attempt with the one before it that was lost.

        Raises: NotIdempotent.
        """
        first = self.first.pop((claimed.workflow_id, claimed.step), None)
        if first is not None and self.is_compared and (second := _in_words(outcome)) != first:
            raise NotIdempotent(self.step, first, second)


class Crashes:
    """All planned crashes of one harness."""

    def __init__(self) -> None:
        self._planned: list[Crash] = []
        self._ran: list[str] = []

    def plan(self, step: str, place: Place, times: int = 1, *, is_compared: bool = False) -> None:
        self._planned.append(Crash(step, place, times, is_compared))

    def before(self, claimed: Claimed) -> bool:
        """Return whether the process is to crash now that this step is claimed, before its worker is called."""
        self._ran.append(claimed.step)
        return self._happens(claimed, ("before",)) is not None

    def after(self, claimed: Claimed, outcome: Outcome | None) -> Place | None:
        """Return where the process is to crash now that an attempt has ended; None for nowhere.

        Raises: NotIdempotent if the attempt differs from the one that was lost before it.
        """
        for planned in self._planned:
            planned.check_second(claimed, outcome)
        crash = self._happens(claimed, ("after", "again"))
        if crash is None:
            return None
        if crash.place == "again":
            crash.first[claimed.workflow_id, claimed.step] = _in_words(outcome)
        return crash.place

    def is_lost(self, claimed: Claimed) -> bool:
        """Return whether the outcome of this attempt is to be lost."""
        return any(crash.happens_in(claimed) and crash.place != "before" for crash in self._planned)

    def check_all_happened(self) -> None:
        """Raise `NeverReached` for a crash whose step never ran."""
        for crash in self._planned:
            if crash.times > 0:
                raise NeverReached(_CALLS[crash.place], crash.step, self._ran)

    def _happens(self, claimed: Claimed, places: Sequence[Place]) -> Crash | None:
        for crash in self._planned:
            if crash.place in places and crash.happens_in(claimed):
                crash.times -= 1
                return crash
        return None


def _in_words(outcome: Outcome | None) -> str:
    if outcome is None:
        return "was stopped"
    if outcome.kind == "completed":
        return f"returned {outcome.detail}"
    return f"ended as {outcome.kind}" + (f" ({outcome.detail})" if outcome.detail else "")
