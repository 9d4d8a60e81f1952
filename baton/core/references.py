"""What stands in a job's arguments for values that are not there yet: results of other steps, one item at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from baton.core.json_forms import plain_form
from baton.core.names import normalised
from baton.core.places import Path


class Reference:
    """Stands for the result of a step in the arguments of another."""

    # Not a dataclass: the encoder would take it for a value, where it has to stumble over it.
    __slots__ = ("step",)

    def __init__(self, step: str) -> None:
        self.step = step

    def __repr__(self) -> str:
        return f"result_of({self.step!r})"


class Each:
    """Stands for one item after the other of a list, or of the list that a step results in."""

    __slots__ = ("items",)

    def __init__(self, items: list[Any] | Reference) -> None:
        self.items = items

    def __repr__(self) -> str:
        return f"each({self.items!r})"


STAND_INS: frozenset[type] = frozenset({Reference, Each})


# Structs and not dataclasses: some are made with every job, in a fifth of the time.
class Placed(msgspec.Struct, frozen=True):
    """A reference and the place it stands at."""

    path: Path
    step: str


class TakenOut(msgspec.Struct, frozen=True):
    """Arguments with None wherever a reference stood, and where these were."""

    arguments: dict[str, Any]
    placed: tuple[Placed, ...]


class ReferenceInside(Exception):  # noqa: N818  # a signal between two functions, seen by no caller
    """The encoder met a reference in a place where no path leads to it, or an `each` that is no argument itself."""

    def __init__(self, found: Reference | Each) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        if isinstance(self.found, Each):
            return "each(...) cannot stand here; it must be an argument itself, not a value in one"
        where = "it may be an argument, or stand in a list, a tuple, or under a key of text in a mapping"
        return f"result_of({self.found.step!r}) cannot stand here; {where}"


def result_of(step: str) -> Any:
    """Stand for the result of another step in the arguments of a job.

    It may be an argument itself, or stand in a list, tuple or mapping in one. When the step starts, the result is
    put in its place; `step` becomes a dependency without being named in `deps`. If that dependency ended without a
    result and was ignored, an argument gets its default, and a list or mapping does without that item.
    """
    if not isinstance(step, str):
        raise TypeError(f"result_of takes the name of a step, not {type(step).__name__}")
    return Reference(normalised(step))


def each(items: Any) -> Any:
    """Stand for one item after the other: the step becomes a map, with a child for each item of a list.

    `items` is a list (or another iterable of values, read now), which may hold `result_of(...)`, or
    `result_of("step")`: then the list is what that step results in, and how long it is turns out at run time. Several
    `each` arguments of one job go in step with one another and must agree in length.

    It must be an argument itself. Raises `TypeError` for what has no items of its own, such as a string.
    """
    if type(items) is Reference:
        return Each(items)
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise TypeError(f"each takes a list of items or result_of(...), not {type(items).__name__}")
    return Each(list(items))


def refuse_reference(value: Any) -> Any:
    """Return what `plain_form` does; raises `ReferenceInside` for a reference and for an `each`."""
    if type(value) is Reference or type(value) is Each:
        raise ReferenceInside(value)
    return plain_form(value)


def take_out(arguments: dict[str, Any]) -> TakenOut:
    """Return the arguments without the references that are arguments themselves."""
    placed = tuple([Placed((name,), value.step) for name, value in arguments.items() if type(value) is Reference])
    if not placed:
        return TakenOut(arguments, ())
    return TakenOut({name: None if type(value) is Reference else value for name, value in arguments.items()}, placed)


def take_out_nested(arguments: dict[str, Any]) -> TakenOut:
    """Return the arguments without the references in lists, tuples and mappings, however deep.

    A reference under a key that is not text, or inside anything else, is left where it is. Nothing given is changed.
    """
    placed: list[Placed] = []
    root: dict[str, Any] = {}
    open_: list[_Open] = [_Open(arguments, root, (), ())]
    while open_:
        at = open_.pop()
        for key, value in at.entries():
            path = (*at.path, key)
            if type(value) is Reference and at.has_path(key):
                placed.append(Placed(path, value.step))
                at.put(key, None)
            elif type(value) in (list, tuple, dict) and at.has_path(key) and id(value) not in at.ancestors:
                copy: Any = {} if type(value) is dict else []
                at.put(key, copy)
                open_.append(_Open(value, copy, path, (*at.ancestors, id(value))))
            else:
                at.put(key, value)
    return TakenOut(root, tuple(sorted(placed, key=lambda reference: reference.path)))


def to_json(placed: tuple[Placed, ...]) -> str | None:
    """Return the list of [path, step name] as JSON text, or None for an empty one."""
    if not placed:
        return None
    return msgspec.json.encode([[reference.path, reference.step] for reference in placed]).decode()


def fill(arguments: dict[str, Any], references: str, results: Mapping[str, object], each: Sequence[str] = ()) -> None:
    """Put results in the places that references name, and leave out the places of results that are missing.

    Of a list or mapping the item is left out, of the arguments the argument. `arguments` is changed; `references` is
    what `to_json` made. The lists of `each`, of which a child of a map gets one item each, stay in step: if one lacks
    an item, so do the others.
    """
    missing: list[list[str | int]] = []
    for path, step in msgspec.json.decode(references):
        if step in results:
            _container(arguments, path)[path[-1]] = results[step]
        else:
            missing.append(path)
    if missing:
        _leave_out(arguments, missing, each)


def _leave_out(arguments: dict[str, Any], paths: list[list[str | int]], each: Sequence[str]) -> None:
    items = {path[1] for path in paths if len(path) == 2 and path[0] in each}
    # An item moves those behind it, so the last ones go first.
    for path in reversed([path for path in paths if not (len(path) == 2 and path[0] in each)]):
        del _container(arguments, path)[path[-1]]
    for name in each:
        if items and isinstance(given := arguments.get(name), list):
            arguments[name] = [item for index, item in enumerate(given) if index not in items]


def _container(arguments: dict[str, Any], path: Sequence[str | int]) -> Any:
    """Return the list or mapping in which a path ends."""
    place: Any = arguments
    for key in path[:-1]:
        place = place[key]
    return place


@dataclass(frozen=True, slots=True)
class _Open:
    """A container of which a copy without references is being made."""

    source: Any
    copy: Any
    path: Path
    ancestors: tuple[int, ...]
    """The ids of the containers around it; one that contains itself is left for the encoder to refuse."""

    def entries(self) -> Any:
        return self.source.items() if type(self.source) is dict else enumerate(self.source)

    def has_path(self, key: Any) -> bool:
        return type(self.source) is not dict or type(key) is str

    def put(self, key: Any, value: Any) -> None:
        if type(self.copy) is dict:
            self.copy[key] = value
        else:
            self.copy.append(value)
