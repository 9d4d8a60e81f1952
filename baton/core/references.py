"""What stands in a job's arguments for values that are not there yet: results of other steps, one item at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from baton.core.codec import encode
from baton.core.conditions import Key, Operand, ResultOf, ResultPart, State, checked_key
from baton.core.holes import Hole, Param
from baton.core.json_forms import plain_form
from baton.core.names import normalised
from baton.core.places import Path
from baton.core.round_trip import key_step
from baton.errors import NotJSON


class _NoDefault:
    """Means that a reference has no default; None would be a default."""

    def __repr__(self) -> str:
        return "no default"


NO_DEFAULT = _NoDefault()


class Reference(Operand):
    """Stands for the result of a step in the arguments of another, or in a condition."""

    # Not a dataclass: the encoder must refuse it, and would encode a dataclass as a value.
    __slots__ = ("default", "step")

    def __init__(self, step: str, default: Any = NO_DEFAULT) -> None:
        self.step = step
        self.default = default

    def __getitem__(self, key: Key) -> ResultPart:
        return ResultPart(self.step, (checked_key(key),))

    def operand(self) -> ResultOf:
        if self.default is not NO_DEFAULT:
            raise TypeError(f"{self!r} cannot stand in a condition with a default; write result_of({self.step!r})")
        return ResultOf(self.step)

    def __repr__(self) -> str:
        given = "" if self.default is NO_DEFAULT else f", default={self.default!r}"
        return f"result_of({self.step!r}{given})"


class Each:
    """Stands for each item of a list, or of the list that a step returns."""

    __slots__ = ("items",)

    def __init__(self, items: list[Any] | Reference | Param) -> None:
        self.items = items

    def __repr__(self) -> str:
        return f"each({self.items!r})"


STAND_INS: frozenset[type] = frozenset({Reference, State, Param, Each})


# Structs and not dataclasses: some are made with every job, in a fifth of the time.
class Placed(msgspec.Struct, frozen=True):
    """A reference and the place it stands at."""

    path: Path
    step: str
    default: str | None = None
    """JSON text of what takes the place of a result that is missing; None for no default."""
    is_state: bool = False
    """It stands for the state of the step, and not for its result."""


class TakenOut(msgspec.Struct, frozen=True):
    """Arguments with None wherever a reference or a hole was, and where these were."""

    arguments: dict[str, Any]
    placed: tuple[Placed, ...]
    defaults: tuple[tuple[Path, Any], ...] = ()
    """The defaults of references, and where these were."""
    holes: tuple[Hole, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """Where references and holes were."""
        return [*[reference.path for reference in self.placed], *[hole.path for hole in self.holes]]


class ReferenceInside(Exception):  # noqa: N818  # a signal between two functions, seen by no caller
    """The encoder met a reference where no path leads to it, or an `each` that is not an argument itself."""

    def __init__(self, found: Reference | Each | Operand | Param) -> None:
        super().__init__(repr(found))
        self.found = found

    def __str__(self) -> str:
        if isinstance(self.found, Each):
            return "each(...) cannot stand here; it must be an argument itself, not a value in one"
        if isinstance(self.found, ResultPart):
            whole = f"result_of({self.found.step!r})"
            return f"{self.found!r} can only be compared in when=; pass {whole}, and take it apart in the worker"
        where = "it may be an argument, or stand in a list, a tuple, or under a key of text in a mapping"
        return f"{self.found!r} cannot stand here; {where}"


def result_of(step: str, *, default: Any = NO_DEFAULT) -> Any:
    """Stand for the result of another step in the arguments of a job.

    It may be an argument itself, or stand in a list, tuple or mapping in one. When the step starts, the result is
    put in its place; `step` becomes a dependency without being named in `deps`.

    With a `default` the dependency is optional: this step runs however that one ends, and gets the default where there
    is no result. Without one, a dependency that ended without a result and is ignored leaves the parameter to its own
    default; in a list or a mapping it is left out.
    """
    if not isinstance(step, str):
        raise TypeError(f"result_of takes the name of a step, not {type(step).__name__}")
    return Reference(normalised(step), default)


def each(items: Any) -> Any:
    """Stand for each item of a list: the step becomes a map, with a child for each item.

    `items` is a list (or another iterable of values, read now), which may hold `result_of(...)`, or
    `result_of("step")`: then the list is what that step returns, and its length is known only at run time. In a
    template it may be a hole. Several `each` arguments of one job are taken in parallel and must have the same length.

    It must be an argument itself. Raises `TypeError` for what has no items of its own, such as a string.
    """
    if type(items) in (Reference, Param):
        return Each(items)
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise TypeError(f"each takes a list of items or result_of(...), not {type(items).__name__}")
    return Each(list(items))


def refuse_reference(value: Any) -> Any:
    """Return what `plain_form` does; raises `ReferenceInside` for a reference and for an `each`."""
    if isinstance(value, Operand) or type(value) in (Each, Param):
        raise ReferenceInside(value)
    return plain_form(value)


def take_out(arguments: dict[str, Any]) -> TakenOut:
    """Return the arguments without the references and holes that are arguments themselves."""
    found: list[tuple[Path, Any]] = []
    plain: dict[str, Any] = {}
    for name, value in arguments.items():
        if type(value) in _TAKEN_OUT:
            found.append(((name,), value))
            value = None  # noqa: PLW2901  # what stands in its place
        plain[name] = value
    return _taken_out(plain, found)


_TAKEN_OUT = frozenset({Reference, State, Param})


def _taken_out(arguments: dict[str, Any], found: Sequence[tuple[Path, Any]]) -> TakenOut:
    placed: list[Placed] = []
    defaults: list[tuple[Path, Any]] = []
    holes: list[Hole] = []
    for path, value in found:
        if type(value) is Param:
            holes.append(Hole(path, value.name))
        elif type(value) is State:
            placed.append(Placed(path, value.step, is_state=True))
        elif value.default is NO_DEFAULT:
            placed.append(Placed(path, value.step))
        else:
            placed.append(Placed(path, value.step, _encoded_default(path, value.default)))
            defaults.append((path, value.default))
    return TakenOut(arguments, tuple(placed), tuple(defaults), tuple(holes))


def _encoded_default(path: Path, default: Any) -> str:
    try:
        return encode(default)
    except NotJSON as error:
        raise NotJSON(f"$.{path[0]}{''.join(map(key_step, path[1:]))}{error.path[1:]}", error.why) from error


def take_out_nested(arguments: dict[str, Any]) -> TakenOut:
    """Return the arguments without the references and holes in lists, tuples and mappings, however deep.

    One under a key that is not text, or inside anything else, is left where it is. Nothing given is changed.
    """
    found: list[tuple[Path, Any]] = []
    root: dict[str, Any] = {}
    open_: list[_Open] = [_Open(arguments, root, (), ())]
    while open_:
        at = open_.pop()
        for key, value in at.entries():
            path = (*at.path, key)
            if type(value) in _TAKEN_OUT and at.has_path(key):
                found.append((path, value))
                at.put(key, None)
            elif type(value) in (list, tuple, dict) and at.has_path(key) and id(value) not in at.ancestors:
                copy: Any = {} if type(value) is dict else []
                at.put(key, copy)
                open_.append(_Open(value, copy, path, (*at.ancestors, id(value))))
            else:
                at.put(key, value)
    found.sort(key=lambda place: place[0])
    return _taken_out(root, found)


def to_json(placed: tuple[Placed, ...], holes: tuple[Hole, ...] = ()) -> str | None:
    """Return the list of [path, step name] as JSON text, or None for an empty one.

    A third element says what is special: {"default": value}, {"state": true}, or {"param": true} for a hole.
    """
    if not placed and not holes:
        return None
    written = [_written(reference) for reference in placed]
    written += [[hole.path, hole.name, {"param": True}] for hole in holes]
    return msgspec.json.encode(written).decode()


def _written(reference: Placed) -> list[Any]:
    if reference.is_state:
        return [reference.path, reference.step, {"state": True}]
    if reference.default is not None:
        return [reference.path, reference.step, {"default": msgspec.Raw(reference.default.encode())}]
    return [reference.path, reference.step]


def reads_states(references: str | None) -> bool:
    """Whether one of these references stands for a state."""
    return references is not None and '{"state":true}' in references


def fill(
    arguments: dict[str, Any],
    references: str,
    results: Mapping[str, object],
    states: Mapping[str, str] | None = None,
    each: Sequence[str] = (),
) -> None:
    """Put results and states in the places that references name. `arguments` is changed; `to_json` wrote `references`.

    A result that is missing leaves the default of its reference in its place. Without one it leaves nothing: an
    argument is removed, and so is an element of a list or mapping. The lists of `each`, of which a child of a map gets
    one item each, stay in step: if one lacks an item, it is removed from the others.
    """
    missing: list[Path] = []
    for path, step, *special in msgspec.json.decode(references):
        if special and special[0].get("state"):
            value: object = (states or {})[step]
        elif step in results:
            value = results[step]
        elif special and "default" in special[0]:
            value = special[0]["default"]
        else:
            missing.append(tuple(path))
            continue
        _container(arguments, path)[path[-1]] = value
    if missing:
        _leave_out(arguments, missing, each)


def _leave_out(arguments: dict[str, Any], paths: list[Path], each: Sequence[str]) -> None:
    items = {path[1] for path in paths if _is_item(path, each)}
    # From the end, so that an index still means its element when its turn comes: paths are in the
    # order of places.
    for path in reversed([path for path in paths if not _is_item(path, each)]):
        del _container(arguments, path)[path[-1]]
    for name in each:
        if items and isinstance(given := arguments.get(name), list):
            arguments[name] = [item for index, item in enumerate(given) if index not in items]


def _is_item(path: Path, each: Sequence[str]) -> bool:
    return len(path) == 2 and path[0] in each


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
