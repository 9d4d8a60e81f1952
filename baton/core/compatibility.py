"""Whether a value of one type can be one of another, both as JSON. The edges of a graph are checked with it.

Only types that never fit are reported. A parameter without an annotation, or with a type that is not known here, may
take anything. Where types overlap, as `str | None` and `str` do, the value decides at run time.
"""

from __future__ import annotations

import enum
import types
from collections import abc
from collections.abc import Callable
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict
from uuid import UUID

import msgspec

Shapes = dict[str, tuple[Any, ...]] | None
"""The forms that values of a type may have in JSON: null, boolean, integer, number, string, list or object, each with
the types of its parts as far as they are known. None if nothing is known: then a value may have any form."""

_TEXT = (str, bytes, bytearray, memoryview, datetime, date, time, timedelta, UUID, Decimal, PurePath)
_LISTS = (list, tuple, set, frozenset, abc.Sequence, abc.Iterable, abc.Collection, abc.Set, abc.MutableSequence)
_OBJECTS = (dict, abc.Mapping, abc.MutableMapping)


def can_fit(given: Any, wanted: Any) -> bool:
    """Return whether a value of the first type may be one of the second."""
    try:
        return _can_fit(given, wanted)
    except TypeError:  # the metadata of an Annotated may be unhashable
        return _can_fit.__wrapped__(given, wanted)


# Asked for each edge of a graph, nearly always of types that were asked for before.
@lru_cache(maxsize=1024)
def _can_fit(given: Any, wanted: Any) -> bool:
    shapes, room = _shapes(given), _shapes(wanted)
    if shapes is None or room is None:
        return True
    common = [shape for shape in shapes if _has_room(shape, room)]
    if not common:
        return False
    if common in (["list"], ["object"]) and shapes[common[0]] and room.get(common[0]):
        return all(can_fit(one, other) for one, other in zip(shapes[common[0]], room[common[0]], strict=False))
    return True


def type_name(kind: Any) -> str:
    """Return a type as it is written in an annotation."""
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")


def _has_room(shape: str, room: dict[str, tuple[Any, ...]]) -> bool:
    # An integer is a number, and 1.0 is read as an integer; a number written as text is read as a
    # Decimal.
    return shape in room or (shape in ("integer", "number") and ("integer" in room or "number" in room))


def _shapes(kind: Any) -> Shapes:
    if kind is None or kind is type(None):
        return {"null": ()}
    origin = get_origin(kind)
    if origin is Annotated:
        return _shapes(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return _shapes_of_union(get_args(kind))
    if origin is Literal:
        return _shapes_of_values(get_args(kind))
    return _shapes_of_class(origin or kind, get_args(kind))


def _shapes_of_union(members: tuple[Any, ...]) -> Shapes:
    shapes: dict[str, tuple[Any, ...]] = {}
    for member in members:
        known = _shapes(member)
        if known is None:
            return None
        for shape, parts in known.items():
            # Two lists in one union: their items may be of either type.
            shapes[shape] = () if shape in shapes else parts
    return shapes


def _shapes_of_values(values: tuple[Any, ...]) -> Shapes:
    return _shapes_of_union(tuple({type(value.value if isinstance(value, enum.Enum) else value) for value in values}))


def _shapes_of_class(kind: Any, parts: tuple[Any, ...]) -> Shapes:
    if not isinstance(kind, type):
        return None
    for is_one, shapes in _RULES:
        if is_one(kind):
            return shapes(kind, parts)
    return None


def _list_of(kind: Any, parts: tuple[Any, ...]) -> Shapes:
    if kind is tuple and (len(parts) != 2 or parts[1] is not Ellipsis):
        return {"list": ()}
    return {"list": parts[:1]}


def _is_record(kind: type) -> bool:
    if issubclass(kind, msgspec.Struct):
        return not kind.__struct_config__.array_like
    return is_dataclass(kind) or is_typeddict(kind)


_RULES: tuple[tuple[Callable[[type], bool], Callable[[Any, tuple[Any, ...]], Shapes]], ...] = (
    (lambda kind: issubclass(kind, enum.Enum), lambda kind, _: _shapes_of_values(tuple(kind))),
    (lambda kind: kind is bool, lambda *_: {"boolean": ()}),
    (lambda kind: kind is int, lambda *_: {"integer": ()}),
    (lambda kind: kind is float, lambda *_: {"number": ()}),
    # What is written as text may be read from a number as well.
    (lambda kind: kind in (Decimal, timedelta, datetime, date), lambda *_: {"string": (), "number": ()}),
    (lambda kind: issubclass(kind, _TEXT), lambda *_: {"string": ()}),
    (_is_record, lambda *_: {"object": ()}),
    (lambda kind: kind in _LISTS, _list_of),
    (lambda kind: kind in _OBJECTS, lambda _, parts: {"object": parts[1:2]}),
)
