"""The constraints in an annotation, as in `Annotated[int, Gt(0)]`: those of annotated-types and of Pydantic.

msgspec checks its own, `msgspec.Meta`, while it decodes. A Pydantic model checks those of its fields.
"""

from __future__ import annotations

import operator
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from datetime import datetime, time
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from baton.core.round_trip import cached

Check = Callable[[Any, str], None]
"""Takes a decoded value and its path. Raises `Unmet`."""
_LIBRARIES = ("annotated_types", "pydantic")


class Unmet(TypeError):  # noqa: N818  # it says what happened, as those of baton.errors
    """A value does not meet a constraint of its annotation."""

    def __init__(self, why: str, path: str) -> None:
        super().__init__(f"{why} - at `{path}`")


def check_of(kind: Any) -> Check | None:
    """Return what checks values of an annotation against its constraints; None if it has none."""
    return _check_of(kind) if _is_constrained(kind, set()) else None


def unaliased(kind: Any) -> Any:
    """Return what a `type` statement or a `NewType` stands for; anything else as it is."""
    while (meant := getattr(kind, "__supertype__", None) or getattr(kind, "__value__", None)) is not None:
        kind = meant
    return kind


def _is_constrained(kind: Any, seen: set[Any]) -> bool:
    kind = unaliased(kind)
    if get_origin(kind) is Annotated and any(map(_is_constraint, get_args(kind)[1:])):
        return True
    if get_origin(kind) is Literal:
        return False
    if _is_record(kind):
        if kind in seen:
            return False
        seen.add(kind)
    return any(_is_constrained(part, seen) for part in (*get_args(kind), *_hints(kind).values()))


def _is_constraint(metadata: Any) -> bool:
    return type(metadata).__module__.partition(".")[0] in _LIBRARIES


def _check_of(kind: Any) -> Check:
    kind = unaliased(kind)
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return partial(_all, [_check_of(parts[0]), *_own_checks(kind, parts[1:])])
    if origin in (Union, types.UnionType):
        return partial(_member, [(_runtime_class(part), _check_of(part)) for part in parts])
    if _is_record(kind):
        return partial(_fields, kind)
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(parts) == 2:
        return partial(_items, _check_of(parts[0]), _check_of(parts[1]))
    if origin is tuple and (len(parts) != 2 or parts[1] is not Ellipsis):
        return partial(_places, [_check_of(part) for part in parts])
    if isinstance(origin, type) and issubclass(origin, Iterable) and parts:
        return partial(_elements, _check_of(parts[0]))
    return _nothing


def _nothing(value: Any, path: str) -> None: ...


def _all(checks: list[Check], value: Any, path: str) -> None:
    for check in checks:
        check(value, path)


def _member(members: list[tuple[Any, Check]], value: Any, path: str) -> None:
    for kind, check in members:
        if isinstance(value, kind):
            return check(value, path)
    return None


def _fields(record: Any, value: Any, path: str) -> None:
    for name, check in _field_checks(record):
        if isinstance(value, dict):
            if name in value:
                check(value[name], f"{path}.{name}")
        else:
            check(getattr(value, name), f"{path}.{name}")


def _items(of_key: Check, of_value: Check, mapping: Any, path: str) -> None:
    for key, value in mapping.items():
        of_key(key, f"{path}[...]")
        of_value(value, f"{path}[...]")


def _places(checks: list[Check], values: Any, path: str) -> None:
    for index, (check, value) in enumerate(zip(checks, values, strict=False)):
        check(value, f"{path}[{index}]")


def _elements(check: Check, values: Any, path: str) -> None:
    for index, value in enumerate(values):
        check(value, f"{path}[{index}]")


@cached
def _field_checks(record: Any) -> tuple[tuple[str, Check], ...]:
    # When the first value is checked and not before: a record may have a field of its own type.
    return tuple([(name, check) for name, hint in _hints(record).items() if (check := check_of(hint)) is not None])


def _hints(kind: Any) -> Mapping[str, Any]:
    if not _is_record(kind):
        return {}
    try:
        return get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001  # annotations are the user's code; the decoder reports what is wrong
        return {}


def _is_record(kind: Any) -> bool:
    if not isinstance(kind, type) or get_origin(kind) is not None:
        return False
    return is_dataclass(kind) or is_typeddict(kind) or issubclass(kind, msgspec.Struct) or hasattr(kind, "_fields")


def _runtime_class(kind: Any) -> Any:
    kind = unaliased(kind)
    if get_origin(kind) is Annotated:
        return _runtime_class(get_args(kind)[0])
    if is_typeddict(kind):
        return dict
    origin = get_origin(kind) or kind
    return origin if isinstance(origin, type) else ()


class _Rule(NamedTuple):
    """One constraint of annotated-types: an attribute that holds a bound, and what it bounds."""

    attribute: str
    is_met: Callable[[Any, Any], bool]
    says: str


_RULES = (
    _Rule("gt", operator.gt, "a value > {}"),
    _Rule("ge", operator.ge, "a value >= {}"),
    _Rule("lt", operator.lt, "a value < {}"),
    _Rule("le", operator.le, "a value <= {}"),
    _Rule("multiple_of", lambda value, factor: value % factor == 0, "a multiple of {}"),
    _Rule("min_length", lambda value, bound: len(value) >= bound, "a length >= {}"),
    _Rule("max_length", lambda value, bound: len(value) <= bound, "a length <= {}"),
    _Rule("func", lambda value, holds: bool(holds(value)), "a value for which {} is true"),
)


def _own_checks(kind: Any, metadata: tuple[Any, ...]) -> Iterator[Check]:
    constraints = [constraint for constraint in metadata if _is_constraint(constraint)]
    if any(type(constraint).__module__.startswith("pydantic") for constraint in constraints):
        yield partial(_validated, _adapter(kind))
        return
    for constraint in constraints:
        # An Interval or a Len holds several in one, those that it does not set being None.
        for rule in _RULES:
            if (bound := getattr(constraint, rule.attribute, None)) is not None:
                yield partial(_ruled, rule, bound)
        if hasattr(constraint, "tz"):
            yield partial(_zoned, constraint.tz)


def _ruled(rule: _Rule, bound: Any, value: Any, path: str) -> None:
    try:
        is_met = rule.is_met(value, bound)
    except Exception as error:
        raise Unmet(f"{type(error).__name__}: {error}", path) from error
    if not is_met:
        shown = getattr(bound, "__qualname__", repr(bound))
        raise Unmet(f"Expected {rule.says.format(shown)}", path)


def _zoned(zone: Any, value: datetime | time, path: str) -> None:
    is_aware = value.tzinfo is not None
    if zone is None and is_aware:
        raise Unmet("Expected a time without a zone", path)
    if zone is not None and not is_aware:
        raise Unmet("Expected a time with a zone", path)


def _adapter(kind: Any) -> Any:
    # An annotation that holds a constraint of Pydantic was written where Pydantic is imported.
    return sys.modules["pydantic"].TypeAdapter(kind)


def _validated(adapter: Any, value: Any, path: str) -> None:
    try:
        validated = adapter.validate_python(value)
    except ValueError as error:
        raise Unmet(_says(error), path) from None
    if validated != value:
        raise Unmet("its annotation would change it; give it as the annotation makes it", path)


def _says(error: Any) -> str:
    """Return what a ValidationError of Pydantic's says, without the value it is about."""
    try:
        return "; ".join(str(one["msg"]) for one in error.errors(include_input=False, include_url=False))
    except Exception:  # noqa: BLE001  # the error's own methods are another library's
        return type(error).__name__
