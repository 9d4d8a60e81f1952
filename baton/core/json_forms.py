"""The forms in JSON of types that msgspec does not know, and back."""

from __future__ import annotations

import inspect
import json
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from types import GenericAlias
from typing import Any, get_args, get_origin

import msgspec

from baton.core.round_trip import TIMES, cached, extra_attributes
from baton.core.tagged_unions import TaggedUnion, member_of


class NoForm(TypeError):  # noqa: N818  # a reason on its way to NotJSON, seen by no caller
    """A value has no form in JSON; the message says what to give instead."""


def plain_form(value: Any) -> Any:
    """Return something nearer to JSON for a value whose type msgspec does not know.

    Raises `TypeError` if there is nothing nearer.
    """
    if callable(dump := getattr(value, "model_dump", None)):
        # Aliases and round_trip, because this is what model_validate_json will read.
        return dump(mode="json", by_alias=True, round_trip=True)
    match value:
        case PurePath():
            return str(value)
        case deque():
            return list(value)
        case _ if (found := _base_of(type(value))) is not None:
            return _as_base(value, *found)
        case _ if type(value).__module__ == "numpy":
            return _as_python(value)
        case _:
            raise NoForm(f"a value of type {type(value).__qualname__} has no form in JSON{_instead(value)}")


def _as_base(value: Any, base: type, rebuilt: Callable[[Any, Any], Any]) -> Any:
    """Return a scalar of a subclass as one of its built-in type."""
    if names := extra_attributes(value):
        shown = ", ".join(repr(name) for name in names[:3])
        raise NoForm(f"a {type(value).__qualname__} would lose its {shown}; give the plain value")
    return rebuilt(base, value)


def _as_python(value: Any) -> Any:
    """Return a numpy scalar as the Python number or text that it is."""
    item = getattr(value, "item", None)
    if getattr(value, "ndim", None) != 0 or not callable(item) or value.dtype.kind not in "biufSU":
        raise NoForm(f"a numpy {type(value).__name__} has no form in JSON; give value.tolist(), or text")
    if type(plain := item()) not in (bool, int, float, str, bytes):
        raise NoForm(f"a numpy {type(value).__name__} has more digits than a float keeps; give float(value)")
    return plain


def _instead(value: Any) -> str:
    """Return what to give in place of a reference or the like, to be added to an error message."""
    if inspect.iscoroutine(value):
        value.close()
        return "; await it first"
    if inspect.isgenerator(value) or inspect.isasyncgen(value):
        return "; give a list of what it yields"
    kind = type(value).__name__
    if kind in ("Job", "Worker", "Baton"):
        return "; add it as a step, and pass what it results in with result_of(...)"
    return ""


def restored(kind: Any, plain: Any) -> Any:
    """Return the value of a type that msgspec does not know from its form in JSON; the reverse of `plain_form`.

    Raises `TypeError` or `ValueError` if `plain` is not such a form.
    """
    origin = get_origin(kind) or kind
    if isinstance(origin, type) and issubclass(origin, TaggedUnion):
        return msgspec.convert(plain, member_of(origin, plain), str_keys=True, dec_hook=restored)
    if kind is object or isinstance(plain, origin):
        return plain
    if callable(validate := getattr(kind, "model_validate_json", None)):
        # As JSON and not as Python values: a strict model takes a datetime from a string only this
        # way.
        return validate(json.dumps(plain))
    if origin in _CONTAINERS:
        return origin(msgspec.convert(plain, _CONTAINERS[origin](get_args(kind)), str_keys=True, dec_hook=restored))
    if issubclass(origin, PurePath) and isinstance(plain, str):
        return kind(plain)
    if (found := _base_of(origin)) is not None:
        base, rebuilt = found
        value: Any = msgspec.convert(plain, base)
        return rebuilt(kind, value) if base in TIMES else kind(value)
    raise TypeError(f"a {origin.__qualname__} cannot be read from JSON")


_CONTAINERS: dict[type, Callable[[Any], Any]] = {
    Counter: lambda args: GenericAlias(dict, (args[0] if args else str, int)),
    OrderedDict: lambda args: GenericAlias(dict, args) if args else dict,
    deque: lambda args: GenericAlias(list, args) if args else list,
}


# In a tuple: freezegun replaces each module's own reference to these classes, and a copy would be a
# fake one again.
_BASES: tuple[tuple[type, Callable[[Any, Any], Any]], ...] = (
    (str, lambda base, value: base.__str__(value)),
    (int, lambda base, value: base.__index__(value)),
    (float, lambda base, value: base.__float__(value)),
    (bytes, lambda base, value: base(value)),
    (Decimal, lambda base, value: base(value)),
    (
        datetime,
        lambda base, v: base(
            v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, tzinfo=v.tzinfo, fold=v.fold
        ),
    ),
    (date, lambda base, value: base(value.year, value.month, value.day)),
    (time, lambda base, v: base(v.hour, v.minute, v.second, v.microsecond, tzinfo=v.tzinfo, fold=v.fold)),
    (timedelta, lambda base, value: base(*_parts_of(value))),
)
"""The scalars that a subclass is taken as, and how a value is made one of them, or the other way round."""


def _parts_of(value: timedelta) -> tuple[int, int, int]:
    # As the built-in type has them: pendulum's attributes of these names mean something else.
    plain = timedelta.__add__(value, timedelta())
    return plain.days, plain.seconds, plain.microseconds


@cached
def _base_of(kind: Any) -> tuple[type, Callable[[Any, Any], Any]] | None:
    return next(((base, rebuilt) for base, rebuilt in _BASES if issubclass(kind, base)), None)
