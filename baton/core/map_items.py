"""The items of a map, and the arguments of the child for each item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baton.core import codec
from baton.core.references import fill


@dataclass(frozen=True, slots=True)
class Items:
    """The lists of a map, which agree in length, and the arguments that all children have."""

    size: int
    lists: Mapping[str, Sequence[Any]]
    common: Mapping[str, Any]

    def arguments(self, first: int, end: int) -> Iterator[str]:
        """Return the arguments of the children from number `first` to before `end`, as JSON objects."""
        for number in range(first, end):
            yield codec.encode({**self.common, **{name: items[number] for name, items in self.lists.items()}})


@dataclass(frozen=True, slots=True)
class NoItems:
    """The map cannot be expanded, and another attempt would not help."""

    why: str


def items_of(args: str, references: str | None, each: Sequence[str], results: Mapping[str, object]) -> Items | NoItems:
    """Return the items of a map from its stored arguments and the results that its lists come from.

    A list whose dependency was ignored and ended without a result is left out; without any list there is no child.
    """
    arguments = codec.decode(args)
    if references is not None:
        fill(arguments, references, results, each=each)
    lists = {name: arguments.pop(name) for name in each if name in arguments}
    for name, items in lists.items():
        if not isinstance(items, list):
            return NoItems(f"each(...) for {name!r} takes a list, and this is {_described(items)}")
    lengths = {name: len(items) for name, items in lists.items()}
    if len(set(lengths.values())) > 1:
        found = " and ".join(f"{name!r} has {length:,} items" for name, length in lengths.items())
        return NoItems(f"the lists of several each(...) must agree in length: {found}")
    return Items(next(iter(lengths.values()), 0), lists, arguments)


def _described(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "an object"
