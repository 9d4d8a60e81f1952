"""Unions of dataclasses, models and typed dicts. In JSON, a field that has another value in each identifies the member.

    class Cat(BaseModel):
        kind: Literal["cat"]

    class Dog(BaseModel):
        kind: Literal["dog"]

    async def feed(animal: Cat | Dog) -> None: ...

msgspec itself reads only unions of its own structs, by their tags.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec


class _AnyInstance(type):
    """The decoder asks whether what it was given is of the type it asked for; a union has no instances."""

    def __instancecheck__(cls, instance: object) -> bool:
        return True


class TaggedUnion(metaclass=_AnyInstance):
    """Stands in an annotation for a union; each union has a subclass of its own."""

    tag: str
    members: Mapping[Any, Any]
    """Types by the value of their tag."""


def with_tagged_unions(kind: Any) -> Any:
    """Return an annotation with a `TaggedUnion` for each union in it that has a tag. The others stay as they are."""
    parts = get_args(kind)
    if not parts or get_origin(kind) is Literal:
        return kind
    if get_origin(kind) is Annotated:
        inner = with_tagged_unions(parts[0])
        return kind if inner is parts[0] else Annotated[(inner, *parts[1:])]
    if get_origin(kind) in (Union, types.UnionType):
        return _union(kind, parts)
    changed = tuple([_part(part) for part in parts])
    return kind if changed == parts else _rebuilt(kind, changed)


def member_of(union: type[TaggedUnion], plain: Any) -> Any:
    """Return the type among those of a union that a JSON object is of. Raises `ValueError`."""
    shown = ", ".join(repr(value) for value in union.members)
    if not isinstance(plain, dict) or union.tag not in plain:
        raise ValueError(f"Expected an object with the field `{union.tag}`, one of {shown}")
    try:
        return union.members[plain[union.tag]]
    except (KeyError, TypeError):
        raise ValueError(f"Expected `{union.tag}` to be one of {shown}") from None


def _part(part: Any) -> Any:
    # The parameters of a Callable are a list.
    return part if isinstance(part, list) else with_tagged_unions(part)


def _rebuilt(kind: Any, parts: tuple[Any, ...]) -> Any:
    if hasattr(kind, "copy_with"):
        return kind.copy_with(parts)
    return types.GenericAlias(kind.__origin__, parts)


def _union(kind: Any, members: tuple[Any, ...]) -> Any:
    records = [member for member in members if _is_record(member)]
    if len(records) > 1 and not all(_is_tagged_struct(record) for record in records):
        for tag in _fields(records[0]):
            if (tagged := _by_tag(records, tag)) is not None:
                name = " | ".join(record.__name__ for record in records)
                union = _AnyInstance(name, (TaggedUnion,), {"tag": tag, "members": tagged})
                others = [with_tagged_unions(member) for member in members if member not in records]
                return reduce(or_, [*others, union])
    changed = [with_tagged_unions(member) for member in members]
    return kind if changed == list(members) else reduce(or_, changed)


def _by_tag(records: list[Any], tag: str) -> Mapping[Any, Any] | None:
    """Return the records by the values of a field, if these are distinct."""
    members: dict[Any, Any] = {}
    for record in records:
        values = _tag_values(record, tag)
        if not values or any(value in members for value in values):
            return None
        members |= dict.fromkeys(values, record)
    return members


def _tag_values(record: Any, tag: str) -> tuple[Any, ...]:
    if _is_tagged_struct(record):
        config = record.__struct_config__
        return (config.tag,) if config.tag_field == tag else ()
    kind = _fields(record).get(tag)
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return get_args(kind) if get_origin(kind) is Literal else ()


def _fields(record: Any) -> Mapping[str, Any]:
    if _is_tagged_struct(record):
        return {record.__struct_config__.tag_field: None}
    try:
        return get_type_hints(record, include_extras=True)
    except Exception:  # noqa: BLE001  # annotations are the user's code; the decoder reports what is wrong
        return {}


def _is_record(kind: Any) -> bool:
    if not isinstance(kind, type):
        return False
    return _is_struct(kind) or is_dataclass(kind) or is_typeddict(kind) or hasattr(kind, "model_validate_json")


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _is_tagged_struct(kind: Any) -> bool:
    return _is_struct(kind) and kind.__struct_config__.tag is not None
