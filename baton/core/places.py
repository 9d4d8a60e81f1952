"""What an annotation says of the places inside a value: of the items of a list, a key of a mapping, a field."""

from __future__ import annotations

import types
from collections import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, NotRequired, Required, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec
from msgspec import Struct

from baton.core.constraints import unaliased
from baton.core.round_trip import SCALARS, cached

Path = tuple[str | int, ...]
"""Keys and indices from a job's arguments to a value in them; the first is the name of a parameter."""
_CONTAINERS = frozenset({list, dict, tuple, set, frozenset})


class Piece(Struct, frozen=True):
    """A part of an argument in which no reference stands."""

    path: Path
    kind: Any
    """What the annotation says of this part."""
    value: Any


def pieces_without_references(kind: Any, value: Any, paths: Sequence[Path], path: Path) -> Iterator[Piece]:
    """Yield the parts of a value in which no reference stands.

    `kind` is the annotation of the value, which stands at `path`; `paths` are those of the references in it.
    """
    if not paths:
        yield Piece(path, kind, value)
        return
    depth = len(path)
    below: dict[str | int, list[Path]] = {}
    for at in paths:
        below.setdefault(at[depth], []).append(at)
    if len(below) == len(paths) == len(value) and all(len(at) == depth + 1 for at in paths):
        return
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        inside = below.get(key, [])
        if not inside or len(inside[0]) > depth + 1:
            yield from pieces_without_references(kind_at(kind, key), child, inside, (*path, key))


def kind_at(kind: Any, key: Any) -> Any:
    """Return what an annotation says of the value under a key, an index, or in a field; `Any` if it says nothing."""
    kind = _container(kind)
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin is tuple and _is_fixed(parts):
        return parts[key] if isinstance(key, int) and key < len(parts) else Any
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(parts) == 2:
        return parts[1]
    if isinstance(origin, type) and issubclass(origin, Iterable) and len(parts) in (1, 2):
        return parts[0]
    return _without_requirement(_hints(origin).get(key, Any))


def may_be_left_out(kind: Any, path: Path) -> bool:
    """Return whether the value at a path inside an annotated value can be left out, with those around it unchanged.

    It can in a list and under a key of a mapping, as all values there mean the same; not in a place of its own: in a
    tuple of fixed length, or in a field without a default.
    """
    for key in path[:-1]:
        kind = kind_at(kind, key)
    kind = _container(kind)
    origin = get_origin(kind) or kind
    if origin is tuple and _is_fixed(get_args(kind)):
        return False
    return path[-1] not in _required_fields(origin)


def equality_suffices(kind: Any) -> bool:
    """Return whether a value of built-in types is the same as one of this annotation if they are equal.

    So it is for scalars and containers of them. In anything else, equal objects may be of other types.
    """
    kind = unaliased(kind)
    if get_origin(kind) is Annotated:
        return equality_suffices(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return all(map(equality_suffices, get_args(kind)))
    if get_origin(kind) in _CONTAINERS:
        return all(part is Ellipsis or _is_scalar(unaliased(part)) for part in get_args(kind))
    return _is_scalar(kind)


def allows_float(kind: Any) -> bool:
    """Return whether an annotation is `float`, alone or in a union: an integer comes back as one."""
    kind = unaliased(kind)
    if get_origin(kind) is Annotated:
        return allows_float(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return any(map(allows_float, get_args(kind)))
    return kind is float


def is_plain(kind: Any) -> bool:
    """Return whether an annotation allows only what JSON has: scalars, lists and mappings, however deep."""
    kind = unaliased(kind)
    if kind is Any or equality_suffices(kind):
        return True
    if get_origin(kind) in (Union, types.UnionType, Annotated, list, dict):
        parts = get_args(kind)[:1] if get_origin(kind) is Annotated else get_args(kind)
        return all(map(is_plain, parts))
    return kind in (list, dict)


def _is_scalar(kind: Any) -> bool:
    return kind is None or (isinstance(kind, type) and kind in SCALARS)


def _container(kind: Any) -> Any:
    """Return the container that an annotation asks for: of a union the one member that is one."""
    kind = unaliased(kind)
    if get_origin(kind) is Annotated:
        return _container(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        found = [inner for member in get_args(kind) if _is_container(inner := _container(member))]
        return found[0] if len(found) == 1 else Any
    return kind


def _is_container(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    if _hints(origin):
        return True
    return isinstance(origin, type) and issubclass(origin, abc.Collection) and not issubclass(origin, str | bytes)


def _is_fixed(parts: tuple[Any, ...]) -> bool:
    return bool(parts) and parts[-1] is not Ellipsis


@cached
def _hints(kind: Any) -> Mapping[Any, Any]:
    if not (isinstance(kind, type) and (is_typeddict(kind) or is_dataclass(kind) or hasattr(kind, "__annotations__"))):
        return {}
    try:
        return get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001  # annotations are the user's code; the decoder reports what is wrong
        return {}


@cached
def _required_fields(kind: Any) -> frozenset[Any]:
    """Return the names of the fields of a record that have no default."""
    if is_typeddict(kind):
        # The class itself does not see a NotRequired in an annotation that is a string.
        required = getattr(kind, "__required_keys__", ())
        return frozenset([key for key, hint in _hints(kind).items() if _is_required(hint, key in required)])
    if is_dataclass(kind):
        return frozenset([f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING])
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return frozenset([field.encode_name for field in msgspec.structs.fields(kind) if field.required])
    models = getattr(kind, "model_fields", {})
    return frozenset([name for name, field in models.items() if field.is_required()])


def _is_required(hint: Any, is_required_else: bool) -> bool:
    origin = get_origin(hint)
    return origin is Required or (origin is not NotRequired and is_required_else)


def _without_requirement(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) in (Required, NotRequired) else hint
