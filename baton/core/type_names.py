"""Types as text that another process can read: how a signal's sender knows what the step expects.

A class is named by its module and its name in it, and read back only if this process has imported that module: the
database never causes an import. A type that cannot be named, or is not known here, is None, and nothing is checked
then.
"""

from __future__ import annotations

import sys
import types
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from baton.core import codec


def named_type(kind: Any) -> str | None:
    """Return JSON text that names a type; None for one that allows any JSON, or cannot be named."""
    try:
        return None if kind is Any else msgspec.json.encode(_named(kind)).decode()
    except _Unnameable:
        return None


def known_type(text: str | None) -> Any:
    """Return the type that a text names; `Any` if this process does not know it."""
    if text is None:
        return Any
    try:
        return _known(codec.decode(text))
    except (_Unnameable, TypeError):
        return Any


class _Unnameable(Exception):  # noqa: N818  # a signal between these functions, seen by no caller
    """A part of a type has no name, or no meaning here."""


def _named(kind: Any) -> Any:
    if kind is None or kind is types.NoneType:
        return None
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"union": [_named(part) for part in parts]}
    if origin is Literal:
        if not all(isinstance(part, str | int | bool | None) for part in parts):
            raise _Unnameable
        return {"literal": list(parts)}
    if isinstance(origin, type) and parts:
        return {"of": _named(origin), "parts": ["..." if part is ... else _named(part) for part in parts]}
    if kind is Any:
        return "typing:Any"
    if isinstance(kind, type) and "<" not in kind.__qualname__:
        return f"{kind.__module__}:{kind.__qualname__}"
    raise _Unnameable


def _known(named: Any) -> Any:
    match named:
        case None:
            return None
        case "typing:Any":
            return Any
        case str():
            return _class_of(named)
        case {"union": [*parts]}:
            return Union[tuple(map(_known, parts))]  # noqa: UP007  # the members are not known before
        case {"literal": [*parts]}:
            return Literal[tuple(parts)]
        case {"of": str() as origin, "parts": [*parts]}:
            return types.GenericAlias(
                _class_of(origin), tuple([... if part == "..." else _known(part) for part in parts])
            )
        case _:
            raise _Unnameable


def _class_of(named: str) -> Any:
    module, _, path = named.partition(":")
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    if not isinstance(found, type):
        raise _Unnameable
    return found
