"""A graph that a worker returned and that takes the place of its step, on its way to the database."""

from __future__ import annotations

import msgspec

from baton.core.spec import Bounds, StepSpec


class Expansion(msgspec.Struct, frozen=True, gc=False):
    """The steps of a returned graph, by positions of its own."""

    steps: tuple[StepSpec, ...]
    children: int
    """How many of them, the first ones, are children of the step. The others are children of these."""
    returns: int | None
    """Position of the child whose result is the step's; None for the last ones."""
    scope: Bounds | None = None


class Expandable:
    """What a worker may return to expand its step."""

    # Not an abstract class: every result is tested for this type, and that test would take five
    # times as long.
    def expansion(self) -> Expansion:
        """Return the graph. Raises `InvalidWorkflow`."""
        raise NotImplementedError


def to_text(expansion: Expansion) -> str:
    """Return an expansion as JSON text, the form in which it crosses from one process to another."""
    return msgspec.json.encode(expansion).decode()


def from_text(text: str) -> Expansion:
    """Return the expansion that `to_text` wrote."""
    return _decoder.decode(text)


_decoder = msgspec.json.Decoder(Expansion)
