"""What stands in the arguments of a template for values that are not there: `{"$param": "site"}` and the like.

A key of the application's own that begins with $ has one $ more in a template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from baton.core import codec
from baton.core.arguments import EncodedArguments
from baton.core.conditions import State
from baton.core.holes import Param, checked_hole
from baton.core.names import normalised
from baton.core.places import Path
from baton.core.references import NO_DEFAULT, Each, Reference
from baton.errors import InvalidName
from baton.errors.texts import did_you_mean

Marker = Mapping[str, Any]


class NoMarker(ValueError):  # noqa: N818  # a reason on its way to InvalidTemplate, seen by no caller
    """An object with a key that begins with $ means nothing here."""


def param_marker(name: str) -> Marker:
    return {"$param": name}


def written_arguments(call: EncodedArguments) -> dict[str, Any]:
    """Return the arguments of a call as JSON values, with a marker for each value that is not there."""
    markers: dict[Path, Marker] = {hole.path: param_marker(hole.name) for hole in call.holes}
    for placed in call.placed:
        if placed.is_state:
            markers[placed.path] = {"$state_of": placed.step}
        elif placed.default is None:
            markers[placed.path] = {"$result_of": placed.step}
        else:
            markers[placed.path] = {"$result_of": placed.step, "default": codec.decode(placed.default)}
    arguments = {name: _written(value, (name,), markers) for name, value in codec.decode(call.args).items()}
    return {name: {"$each": value} if name in call.each else value for name, value in arguments.items()}


def _written(value: Any, path: Path, markers: Mapping[Path, Marker]) -> Any:
    # JSON is nested at most 200 deep, so this may call itself.
    if path in markers:
        return markers[path]
    match value:
        case dict():
            return {_escaped(key): _written(inside, (*path, key), markers) for key, inside in value.items()}
        case list():
            return [_written(inside, (*path, index), markers) for index, inside in enumerate(value)]
        case _:
            return value


def _escaped(key: str) -> str:
    return f"${key}" if key.startswith("$") else key


def read_value(value: Any) -> Any:
    """Return what a template says of a value, with stand-ins in the places of markers. Raises `NoMarker`."""
    match value:
        case dict():
            if marked := [key for key in value if key.startswith("$") and not key.startswith("$$")]:
                return _read_marker(marked[0], value)
            return {key.removeprefix("$"): read_value(inside) for key, inside in value.items()}
        case list():
            return [read_value(inside) for inside in value]
        case _:
            return value


def _read_marker(key: str, value: dict[str, Any]) -> Any:
    if (read := _MARKERS.get(key)) is None:
        hint = did_you_mean(key, _MARKERS)
        raise NoMarker(f"{key!r} means nothing here{hint}; write {'$' + key!r} for a key that begins with $")
    allowed = {key, "default"} if key == "$result_of" else {key}
    if unknown := sorted(value.keys() - allowed):
        raise NoMarker(f"an object with {key!r} has no key {unknown[0]!r}")
    return read(value)


def _step(name: Any) -> str:
    if not isinstance(name, str):
        raise NoMarker(f"a step is named by text, not by {name!r}")
    return normalised(name)


def filled_in(value: Any, values: Mapping[str, Any]) -> Any:
    """Return what `read_value` returned with values in the places of holes, as far as there are some."""
    match value:
        case Param(name) if name in values:
            return values[name]
        case dict():
            return {key: filled_in(inside, values) for key, inside in value.items()}
        case list():
            return [filled_in(inside, values) for inside in value]
        case _:
            return value


def read_each(given: Any) -> Each:
    """Return the items of a map: a list, or what stands for one. Raises `NoMarker`."""
    items = read_value(given)
    if not isinstance(items, list | Reference | Param):
        raise NoMarker('"$each" takes a list, {"$result_of": ...} or {"$param": ...}')
    return Each(items)


def read_param(value: dict[str, Any]) -> Param:
    try:
        return Param(checked_hole(value["$param"]))
    except (InvalidName, TypeError) as error:
        raise NoMarker(str(error)) from None


_MARKERS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "$param": read_param,
    "$result_of": lambda value: Reference(_step(value["$result_of"]), value.get("default", NO_DEFAULT)),
    "$state_of": lambda value: State(_step(value["$state_of"])),
    "$each": lambda value: read_each(value["$each"]),
}
