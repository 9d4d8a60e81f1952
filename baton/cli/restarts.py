"""When a worker process that ended is started again, and what its end means. Pure decisions, no processes."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
HEALTHY_SECONDS = 60.0
"""A process that lived for this long ended for a new reason."""
PERMANENT = frozenset({1, 2})
"""The exit codes of a process that said in a sentence why it cannot work; the next one would say the same."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """The history of one worker process and those that took its place."""

    ended: int = 0
    """How often a process ended although nothing asked it to."""
    in_a_row: int = 0
    """How many of these ends came one after the other, without a process that lived for `HEALTHY_SECONDS`."""

    def after(self, lived_seconds: float) -> Restarts:
        """Return the history with one more end."""
        in_a_row = 1 if lived_seconds >= HEALTHY_SECONDS else self.in_a_row + 1
        return replace(self, ended=self.ended + 1, in_a_row=in_a_row)

    def pause_seconds(self) -> float:
        """Return the wait before the next start: 0.5 s doubling to 30 s, with jitter of up to half of it less."""
        full = FIRST_PAUSE_SECONDS * 2.0 ** min(self.in_a_row - 1, 10)
        return min(LONGEST_PAUSE_SECONDS, full) * random.uniform(0.5, 1.0)


def is_permanent(code: int, *, was_any_ready: bool) -> bool:
    """Whether to give up: the module, the address or the schema is wrong, and no process ever worked."""
    return code in PERMANENT and not was_any_ready


def described(code: int) -> str:
    """Return in words how a process ended; a negative code is the signal that killed it, as in `subprocess`."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def exit_code(codes: Sequence[int]) -> int:
    """Return one exit code for all: 0 if each process drained, else that of the first that did not.

    For a process that a signal killed it is 128 plus the signal's number, as in a shell.
    """
    bad = [128 - code if code < 0 else code for code in codes if code != 0]
    return bad[0] if bad else 0
