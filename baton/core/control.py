"""What decides about a step besides its dependencies: a condition, when it runs, how many it needs, what undoes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from baton.core.conditions import ConditionSpec, checked_condition
from baton.core.job import Job
from baton.errors import InvalidOption

if TYPE_CHECKING:
    from baton.core.conditions import Condition

Runs: TypeAlias = Literal["always", "on failure"]
Rest: TypeAlias = Literal["cancel"]

CLOSING_ATTEMPTS = 5
"""Attempts of closing steps and undos that are not given a number of their own."""


class Control(Struct, frozen=True):
    """What `Baton.add` was given besides a job, dependencies and flags."""

    when: ConditionSpec | None = None
    runs: Runs | None = None
    needs: int | None = None
    cancels_rest: bool = False
    undo: Job | None = None

    @property
    def is_gated(self) -> bool:
        """Whether it takes a gate to hold this against a group: a step in front of all that is in it."""
        return self.when is not None or self.runs is not None or self.needs is not None


def checked_control(
    step: str,
    when: Condition | None,
    runs: Runs | None,
    needs: int | None,
    rest: Rest | None,
    undo: Job | None,
    *,
    is_job: bool,
) -> Control | None:
    """Return what was given, or None if nothing was. Raises `InvalidOption` and `TypeError`."""
    if when is None and runs is None and needs is None and rest is None and undo is None:
        return None
    if runs not in (None, "always", "on failure"):
        raise InvalidOption("runs", runs, "it must be 'always' or 'on failure'; leave it out for an ordinary step")
    if needs is not None and (type(needs) is not int or needs < 1):
        raise InvalidOption("needs", needs, "it must be a number of dependencies, at least 1")
    if rest not in (None, "cancel"):
        raise InvalidOption("rest", rest, "it must be 'cancel', or be left out: then the others run on")
    if rest is not None and needs is None:
        raise InvalidOption(
            "rest", rest, "it says what becomes of the dependencies that needs= leaves over; give needs="
        )
    if runs is not None and (needs is not None or undo is not None):
        raise InvalidOption("runs", runs, "a closing step waits for all that it observes, and is not undone itself")
    if undo is not None and not isinstance(undo, Job):
        raise TypeError(f"undo of step {step!r} must be a job, as in undo=refund.new(...), not {type(undo).__name__}")
    if undo is not None and not is_job:
        raise TypeError(
            f"step {step!r} runs no worker itself, so there is nothing to undo; give undo= to a step that does"
        )
    if undo is not None and undo.arguments.each:
        raise TypeError(f"undo of step {step!r} cannot be a map: each(...) has no place in it")
    condition = None if when is None else checked_condition(step, when)
    return Control(condition, runs, needs, rest == "cancel", undo)
