"""How large a workflow, its arguments and its results may be. Without limits one mistake fills the database."""

from __future__ import annotations

from dataclasses import dataclass

from baton.core.outcome import Outcome
from baton.core.spec import WorkflowSpec
from baton.core.step_ids import MOST_STEPS
from baton.errors import InvalidOption
from baton.errors.faults import ArgumentsTooLarge, Fault, TooManySteps

INPUT_BYTES = 256 << 20
MOST_INPUT_BYTES = 512 << 20
"""A row of an answer of PostgreSQL has less than 1 GB."""
MOST_NESTED = 100
"""Groups around one step; the database reads a group's result by way of its children's, and theirs."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of an engine, on by default. Names, nesting and error texts have fixed ones."""

    steps: int = 1_000_000
    """Steps of one workflow; never more than 4,194,304."""
    argument_bytes: int = 1 << 20
    """Bytes of one step's arguments as JSON."""
    result_bytes: int = 8 << 20
    """Bytes of one step's result as JSON."""
    kept_bytes: int = 1 << 20
    """Bytes of the value that a step keeps for its next attempts, as JSON."""
    input_bytes: int = INPUT_BYTES
    """Bytes of all the results that one step reads, as JSON; never more than 536,870,912. A step that reads more is
    discarded when it is claimed."""

    def __post_init__(self) -> None:
        for option in ("steps", "argument_bytes", "result_bytes", "input_bytes"):
            value = getattr(self, option)
            if type(value) is not int or value < 1:
                raise InvalidOption(option, value, "it must be an integer of at least 1")

    @property
    def most_input_bytes(self) -> int:
        """How large the results may be that are delivered to one step."""
        return min(self.input_bytes, MOST_INPUT_BYTES)

    @property
    def most_steps(self) -> int:
        """How many steps a workflow may have, including those that its steps expand into."""
        return min(self.steps, MOST_STEPS)

    def excess(self, args: str) -> int | None:
        """Return the size of arguments that are too large, in bytes, or None if they are not."""
        return _size(args) if _is_larger(args, self.argument_bytes) else None

    def faults(self, spec: WorkflowSpec) -> list[Fault]:
        """Return what in a workflow is beyond the limits."""
        count, most = len(spec.steps), self.argument_bytes
        faults: list[Fault] = [TooManySteps(count, self.most_steps)] if count > self.most_steps else []
        return faults + [
            ArgumentsTooLarge(step.name, _size(step.args), most) for step in spec.steps if _is_larger(step.args, most)
        ]

    def kept_excess(self, text: str) -> str | None:
        """Return why a value, as JSON, is too large to be kept; None if it is not."""
        if not _is_larger(text, self.kept_bytes):
            return None
        return (
            f"it has {_size(text):,} bytes as JSON, and the limit is {self.kept_bytes:,}; "
            f"store the data elsewhere and keep where it is"
        )

    def applied(self, outcome: Outcome) -> Outcome:
        """Return the outcome; in place of one that carries too much, a failed attempt without a delay."""
        if outcome.keep is not None and (why := self.kept_excess(outcome.keep)) is not None:
            return Outcome("failed", f"the value to be kept is too large: {why}")
        if outcome.kind == "again" and outcome.detail is not None and (size := self.excess(outcome.detail)) is not None:
            what = (
                f"the arguments of the next round have {size:,} bytes as JSON, and the limit is {self.argument_bytes:,}"
            )
            return Outcome("failed", f"{what}; store the data elsewhere and pass where it is")
        if outcome.kind != "completed" or outcome.detail is None or not _is_larger(outcome.detail, self.result_bytes):
            return outcome
        size = _size(outcome.detail)
        what = f"the result has {size:,} bytes as JSON, and the limit is {self.result_bytes:,}"
        return Outcome("failed", f"{what}; store the data elsewhere and return where it is")


def _is_larger(text: str, most: int) -> bool:
    # A character has 1 to 4 bytes, so only texts near the limit must be encoded to be measured.
    return len(text) * 4 > most and (len(text) > most or _size(text) > most)


def _size(text: str) -> int:
    return len(text.encode())
