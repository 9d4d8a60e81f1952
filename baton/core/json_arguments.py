"""Arguments that are JSON already, as templates have them, and the values that fill their holes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from baton.core import codec
from baton.core.arguments import EncodedArguments, in_order, require_equal_lists
from baton.core.places import Path
from baton.core.references import Each, ReferenceInside, each, refuse_reference, take_out_nested
from baton.core.round_trip import SCALARS
from baton.errors import NotJSON

if TYPE_CHECKING:
    from baton.core.argument_types import ArgumentTypes

_JSON = SCALARS | {list, dict}


def read_arguments(worker: str, arguments: Mapping[str, Any], types: ArgumentTypes | None) -> EncodedArguments:
    """Return a call whose arguments are JSON values, and stand-ins for other values.

    They are checked against the types of the worker's parameters, if these are known here. Raises `TypeError`.
    """
    if types is not None:
        arguments = types.in_order(arguments)
    lists = tuple([name for name, value in arguments.items() if type(value) is Each])
    opened = {name: value.items if type(value) is Each else value for name, value in arguments.items()}
    taken = take_out_nested(opened)
    try:
        text = codec.encode(taken.arguments, refuse_reference)
    except ReferenceInside as error:
        raise TypeError(f"{worker}: {error}") from None
    if types is not None:
        paths: dict[str, list[Path]] = {name: [] for name in lists}
        for path in taken.paths:
            paths.setdefault(str(path[0]), []).append(path)
        for name, inside in paths.items():
            if (name,) not in inside:
                types.require_pieces(name, taken.arguments[name], inside, is_each=name in lists, is_json=True)
        for path, default in taken.defaults:
            types.require_at(path, default, is_each=path[0] in lists, is_json=True)
    require_equal_lists(worker, lists, taken.arguments)
    return EncodedArguments(
        text,
        _comparable(taken.arguments, text, [*taken.paths, *[(name,) for name in lists]], types),
        taken.placed,
        (),
        lists,
        taken.holes,
    )


def lists_of_map(step: str, given: object) -> EncodedArguments:
    """Return the lists of a map of a workflow, by the names of the holes that get an item each.

    A value that has no form in JSON is a fault in the answer. Raises `TypeError`.
    """
    where = f"each= of step {step!r}"
    if not isinstance(given, Mapping) or not given:
        raise TypeError(f'{where} gives a list to each hole, as in each={{"sample": result_of("samples")}}')
    lists = {name: value if isinstance(value, Each) else each(value) for name, value in given.items()}
    try:
        return read_arguments(where, lists, None)
    except NotJSON as fault:
        return EncodedArguments("{}", "{}", (), (fault,), tuple(lists))


def fill_holes(
    worker: str, given: EncodedArguments, values: Mapping[str, Any], types: ArgumentTypes | None
) -> EncodedArguments:
    """Return a call with these values in its holes, as far as there is one for them.

    A value is checked as if it had been given in its place; it may also be in its form in JSON. Raises `TypeError` and
    `NotJSON`.
    """
    filled = [hole for hole in given.holes if hole.name in values]
    if not filled or given.faults:
        return given
    arguments = codec.decode(given.args)
    for hole in filled:
        value = values[hole.name]
        plain = _plain(worker, hole.name, value)
        is_each = hole.path[0] in given.each
        if is_each and len(hole.path) == 1 and not isinstance(plain, list):
            raise TypeError(f"{worker}: each(...) for {hole.path[0]!r} takes a list of items, not {value!r}")
        if types is not None:
            types.require_at(hole.path, value, is_each=is_each, is_json=type(value) in _JSON)
        _put(arguments, hole.path, plain)
    open_ = tuple([hole for hole in given.holes if hole.name not in values])
    text = codec.encode(arguments)
    require_equal_lists(worker, given.each, arguments)
    paths = [
        *[placed.path for placed in given.placed],
        *[hole.path for hole in open_],
        *[(name,) for name in given.each],
    ]
    return EncodedArguments(text, _comparable(arguments, text, paths, types), given.placed, (), given.each, open_)


def _comparable(arguments: dict[str, Any], text: str, paths: Sequence[Path], types: ArgumentTypes | None) -> str:
    """Return arguments as `in_order` does, also with the fields of their types in the order that these give them.

    `paths` are the places that are not to be looked at. Raises `TypeError` for arguments that do not fit their types.
    """
    if types is None:
        return in_order(arguments, text)
    read = types.require_fit(text, frozenset([str(path[0]) for path in paths]))
    return in_order({name: getattr(read, name) for name in arguments}, text)


def _plain(worker: str, hole: str, value: Any) -> Any:
    try:
        return codec.decode(codec.encode(value, refuse_reference))
    except ReferenceInside as error:
        raise TypeError(f"{worker}: the value of {hole!r} must be known now, and {error.found!r} is not") from None


def _put(arguments: Any, path: Sequence[str | int], value: Any) -> None:
    place = arguments
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
