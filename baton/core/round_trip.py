"""Compares a value with what came back from its JSON: what Python put in must be what Python gets back.

Taken as the same: a list for a tuple and the other way round; a subclass of a scalar, a list or a mapping that carries
nothing more; and the JSON form of a value where an annotation asks for the value, such as text for a `datetime`.
"""

from __future__ import annotations

import marshal
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from baton.errors import NotJSON

SCALARS = frozenset({str, int, float, bool, type(None)})
"""What JSON keeps as it is."""
_COMPARED = SCALARS | {bytes, UUID, date, timedelta}
TIMES = (datetime, date, time, timedelta)
_CONTAINERS = frozenset({list, dict, tuple, set, frozenset})
_SUBCLASSED = (str, int, float, bytes, datetime, date, time, timedelta, Decimal)
_SEQUENCES = (list, tuple, deque)
_SETS = (set, frozenset)
_BYTES = (bytes, bytearray, memoryview)
_MISSING = object()


F = TypeVar("F", bound=Callable[[Any], Any])


def cached(function: F) -> F:
    """Cache what a function says of a type."""
    # As lru_cache is typed, a class cannot be hashed.
    return lru_cache(maxsize=1024)(function)  # type: ignore[return-value]


class Changed(Exception):  # noqa: N818  # it is caught where the path is complete
    """A value would come back as another one."""

    def __init__(self, why: str, *, lacks_type: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.lacks_type = lacks_type
        """Another annotation would keep it."""
        self.steps: list[str] = []
        """From the value outwards: keys, indices and fields."""


def check(path: str, value: Any, back: Any, remedy: str) -> None:
    """Raise `NotJSON` if `back`, which came back from the JSON of `value`, is not the same.

    `path` is where the value stands; `remedy` says how to give it a type, to be put behind a sentence.
    """
    try:
        _compare(value, back)
    except Changed as change:
        at = path + "".join(reversed(change.steps))
        raise NotJSON(at, change.why + (remedy if change.lacks_type else "")) from None


def is_same_plain(value: Any, back: Any, *, is_flat: bool, is_plain: bool) -> bool:
    """Return whether two containers are the same by equality alone, which takes a tenth of the time of `check`.

    If it returns False they may still be the same. `is_flat` and `is_plain`: see `equality_suffices` and `is_plain` of
    `baton.core.places`.
    """
    kind = type(value)
    if kind is not type(back) or kind not in _CONTAINERS:
        return False
    if is_flat:
        return bool(value == back)
    return is_plain and kind in (dict, list) and value == back and _is_exact(value)


def _is_exact(value: Any) -> bool:
    """Return whether a value consists of objects of built-in types alone, none of them of a subclass."""
    try:
        # No serialisation is wanted, but marshal refuses everything else, and takes a third of the
        # time of a loop.
        marshal.dumps(value)
    except ValueError:
        return False
    return True


def extra_attributes(value: Any) -> list[str]:
    """Return the names of the attributes that an object has in addition to what its built-in type keeps."""
    if isinstance(value, Enum):
        return []
    names = list(getattr(value, "__dict__", ()))
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        names += [name for name in ((slots,) if isinstance(slots, str) else slots) if hasattr(value, name)]
    if isinstance(value, TIMES):
        # Libraries keep the parts of a time in attributes of their own.
        names = [name for name in names if not name.startswith("_")]
        # A timedelta has no months.
        names += [name for name in ("months", "years") if isinstance(value, timedelta) and getattr(value, name, None)]
    return [name for name in names if not name.startswith("__")]


def _compare(value: Any, back: Any) -> None:
    kind = type(value)
    if type(back) is not kind:
        _compare_types(value, back)
    elif kind in _COMPARED:
        _require(value == back)
    else:
        _comparer_of(kind)(value, back)


@cached
def _comparer_of(kind: type) -> Callable[[Any, Any], None]:
    """Return what compares two values of one type."""
    if issubclass(kind, Mapping):
        return _compare_mappings
    if issubclass(kind, _SEQUENCES):
        return _compare_sequences
    if issubclass(kind, _SETS):
        return _compare_sets
    if (names := _field_names(kind)) is not None:
        return partial(_compare_fields, names)
    if callable(getattr(kind, "model_dump", None)):
        return partial(_compare_models, tuple(getattr(kind, "model_fields", ())))
    return _compare_scalars


def _compare_types(value: Any, back: Any) -> None:
    """Compare two values that are not of one type."""
    kind, other = type(value), type(back)
    if hasattr(value, "_fields") or _field_names(kind) is not None:
        raise _other_type(value, back)
    if isinstance(value, Mapping):
        _compare_given_mapping(value, back)
    elif isinstance(value, _SEQUENCES) and isinstance(back, _SEQUENCES):
        _compare_sequences(value, back)
    elif isinstance(value, list | tuple) and (names := _field_names(other)) is not None:
        _compare_sequences(value, [getattr(back, name) for name in names[: len(value)]])
    elif isinstance(value, (*_SEQUENCES, *_SETS)) and isinstance(back, _SETS):
        _compare_sets(value, back)
    elif isinstance(value, _BYTES) and isinstance(back, _BYTES):
        _require(bytes(value) == bytes(back))
    elif kind in SCALARS and other not in SCALARS:
        pass  # An annotation asked for it: this is the form in which JSON has it.
    elif isinstance(value, _SUBCLASSED) and isinstance(value, other) and not isinstance(value, bool):
        _require_nothing_more(value, back)
        _compare_scalars(value, back)
    elif kind in (int, float, Decimal) or kind.__module__ == "numpy":
        _compare_numbers(value, back)
    else:
        raise _other_type(value, back)


def _compare_mappings(value: Mapping[Any, Any], back: Mapping[Any, Any]) -> None:
    _require_nothing_more(value, back)
    if len(value) != len(back):
        raise Changed(_left_out(value, back))
    # JSON keeps their order.
    for (key, child), (other_key, other) in zip(value.items(), back.items(), strict=True):
        if type(key) not in SCALARS or type(key) is not type(other_key) or key != other_key:
            _compare_keys(key, other_key)
        try:
            _compare(child, other)
        except Changed as change:
            change.steps.append(key_step(key))
            raise


def _compare_given_mapping(value: Mapping[Any, Any], back: Any) -> None:
    """Compare a mapping with a mapping of another type, or with a record that an annotation made of it."""
    if isinstance(back, Mapping):
        return _compare_mappings(value, back)
    known = _encoded_names(back)
    if known is not None and (unknown := [key for key in value if key not in known]):
        raise Changed(f"the key {unknown[0]!r} would be left out, as {_name(type(back))} has no such field")
    return None


def _compare_keys(key: Any, other: Any) -> None:
    try:
        _compare(key, other)
    except Changed:
        if type(other) is not str:
            raise
        kind = _name(type(key))
        remedy = f"annotate it, as in dict[{kind}, ...], or use text"
        raise Changed(f"the key {key!r} would come back as a string; {remedy}") from None


def _compare_sequences(value: Any, back: Any) -> None:
    _require_nothing_more(value, back)
    _require(len(value) == len(back))
    for index, (child, other) in enumerate(zip(value, back, strict=True)):
        try:
            _compare(child, other)
        except Changed as change:
            change.steps.append(f"[{index}]")
            raise


def _compare_sets(value: Any, back: Any) -> None:
    _require_nothing_more(value, back)
    if len(value) != len(back):
        raise Changed("the set would have fewer items than this, as some are equal")
    others = {child: child for child in back}
    for child in value:
        _require(child in others)
        _compare(child, others[child])


def _compare_fields(names: tuple[str, ...], value: Any, back: Any) -> None:
    for name in names:
        child, other = getattr(value, name, _MISSING), getattr(back, name, _MISSING)
        if child is other or (type(child) in SCALARS and child == other):
            continue
        try:
            _compare(child, other)
        except Changed as change:
            change.steps.append(f".{name}")
            raise


def _compare_models(names: tuple[str, ...], value: Any, back: Any) -> None:
    _compare_fields(names, value, back)
    for part in ("__pydantic_extra__", "__pydantic_private__"):
        mine, other = getattr(value, part, None), getattr(back, part, None)
        if mine or other:
            _compare(mine, other)


def _compare_scalars(value: Any, back: Any) -> None:
    match value:
        case datetime():
            _require(value == back)
            _compare_zones(value, back)
        case time():
            _require(value.replace(tzinfo=None, fold=0) == back.replace(tzinfo=None, fold=0))
            _compare_zones(value, back)
        case Decimal():
            # Not by ==, for which Decimal 1.1 equals 1.10 and NaN does not equal itself.
            _require(value.as_tuple() == back.as_tuple())
        case _:
            _require(bool(value == back))


def _compare_numbers(value: Any, back: Any) -> None:
    if type(back) in SCALARS and type(back) is not str and bool(value == back):
        return
    if isinstance(back, float):
        raise Changed("the integer has more digits than a float keeps")
    raise _other_type(value, back)


def _compare_zones(value: datetime | time, back: datetime | time) -> None:
    zone = value.tzinfo
    if zone is None:
        if value.fold != back.fold:
            raise Changed("a naive time with fold=1 would come back with fold=0; give it a time zone")
    elif isinstance(value, time) and back.tzinfo is None:
        raise Changed(f"a time in the zone {zone} would come back without it; pass the name of the zone as well")
    # A zone of one offset says no more than the offset: UTC by any name is one.
    elif zone.utcoffset(None) is None or zone.utcoffset(None) != back.utcoffset():
        raise Changed(
            f"a datetime in the zone {zone} would come back with the fixed offset {back.isoformat()[-6:]}; give it in "
            f"UTC, as in .astimezone(timezone.utc), and pass the name of the zone as well if it is needed"
        )


def _require(is_same: bool) -> None:
    if not is_same:
        raise Changed("it would come back as another value of its type")


def _require_nothing_more(value: Any, back: Any) -> None:
    if type(value) in _BUILT_IN:
        return
    if names := extra_attributes(value):
        shown = ", ".join(repr(name) for name in names[:3])
        raise Changed(f"{_becomes(value, back)}, without its {shown}")


_BUILT_IN = frozenset({*_SUBCLASSED, *_SEQUENCES, *_SETS, dict})


def _other_type(value: Any, back: Any) -> Changed:
    kept = _shown_fields(type(back))
    lost = [repr(name) for name in _shown_fields(type(value)) if name not in kept] if kept else []
    without = f", without {', '.join(lost[:3])}" if lost else ""
    return Changed(_becomes(value, back) + without, lacks_type=True)


def _becomes(value: Any, back: Any) -> str:
    return f"a value of type {_name(type(value))} would come back as {_name(type(back))}"


def _shown_fields(kind: Any) -> tuple[str, ...]:
    return _field_names(kind) or tuple(getattr(kind, "model_fields", ()))


def _left_out(value: Mapping[Any, Any], back: Mapping[Any, Any]) -> str:
    missing = [key for key in value if isinstance(key, str) and key not in back]
    if not missing:
        return "two of its keys are the same as text, and one would be left out"
    return f"the key {missing[0]!r} would be left out, as its annotation has no such key"


def key_step(key: Any) -> str:
    """Return a key as a step of a path."""
    return f".{key}" if isinstance(key, str) else f"[{key!r}]"


def _name(kind: type) -> str:
    return kind.__qualname__.rpartition("<locals>.")[2]


@cached
def _field_names(kind: Any) -> tuple[str, ...] | None:
    """Return the names of a record's fields; None if it is not a record."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return tuple(kind.__struct_fields__)
    if is_dataclass(kind):
        return tuple(field.name for field in fields(kind))
    attributes = getattr(kind, "__attrs_attrs__", None)
    return None if attributes is None else tuple(attribute.name for attribute in attributes)


def _encoded_names(record: Any) -> frozenset[str] | None:
    """Return the keys that a record has as JSON; None if they are not known."""
    if isinstance(record, msgspec.Struct):
        config = record.__struct_config__
        tag = () if config.tag_field is None else (config.tag_field,)
        return frozenset((*record.__struct_encode_fields__, *tag))
    names = _field_names(type(record))
    return None if names is None else frozenset(names)
