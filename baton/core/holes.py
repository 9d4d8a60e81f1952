"""Holes: what stands in a template for a value that is given when a workflow is made of it."""

from __future__ import annotations

from typing import Any

import msgspec

from baton.core.names import checked_text
from baton.core.places import Path
from baton.errors import InvalidName


class Param:
    """Stands for a value that a template is given later."""

    # Not a dataclass: the encoder must refuse it, and would encode a dataclass as a value.
    __slots__ = ("name",)
    __match_args__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"param({self.name!r})"


class Hole(msgspec.Struct, frozen=True):
    """A hole in the arguments of a job, and the place it stands at."""

    path: Path
    name: str


def param(name: str) -> Any:
    """Stand for a value that is given later: a hole in the arguments of a job, or one of its options.

    A `Baton` with holes is a template. It cannot be inserted: `to_template()` writes it as text, and
    `Baton.from_template` fills its holes. A hole may be an argument itself, or stand in a list, tuple or mapping in
    one; of one name there may be several. Its value is checked as if it had been written in its place.

    Raises `InvalidName` and `TypeError`.
    """
    return Param(checked_hole(name))


def checked_hole(name: object) -> str:
    """Return the name of a hole. Raises `InvalidName` and `TypeError`."""
    if not isinstance(name, str):
        raise TypeError(f"param takes the name of a hole, not {type(name).__name__}")
    checked = checked_text("hole", name)
    if checked.startswith("$"):
        raise InvalidName("hole", name, "it must not begin with $")
    return checked
