"""The graph that each item of a map of a workflow becomes, as it is stored with the map.

It is an `Expansion` as JSON, with holes where the items belong. A hole is a reference with `{"param": true}` and stands
among those of its step. The pool that claims a child fills the holes with the arguments of the child, and sends the
graph as one that a worker returned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from baton.core import codec, expansion
from baton.core.expansion import Expansion
from baton.core.json_options import options_of_json
from baton.core.options import GivenOptions
from baton.core.spec import NO_GRAPH, Extras, Map, StepSpec, Undo

ITEM_WORKER = "baton.item"
"""The worker of the children of a map of a workflow, and of the map; every pool knows it."""


def with_item_graph(spec: StepSpec, graph: Expansion) -> StepSpec:
    """Return the step of a map with the graph of its items."""
    extras = spec.extras
    assert extras is not None
    assert isinstance(extras.kind, Map)
    text = expansion.to_text(graph).encode()
    return replace(spec, extras=replace(extras, kind=replace(extras.kind, graph=msgspec.Raw(text))))


def filled(text: str, values: Mapping[str, Any]) -> Expansion:
    """Return a stored graph with values, which are JSON, in its holes. Raises `ValueError` if it cannot be read."""
    try:
        graph = expansion.from_text(text)
    except msgspec.MsgspecError as error:
        raise ValueError(f"its graph cannot be read: {error}") from None
    return _filled(graph, values)


def _filled(graph: Expansion, values: Mapping[str, Any]) -> Expansion:
    return replace(graph, steps=tuple([_filled_step(step, values) for step in graph.steps]))


def _filled_step(step: StepSpec, values: Mapping[str, Any]) -> StepSpec:
    if step.references is not None and '{"param":true}' in step.references:
        call = _filled_call(step.args, step.references, values)
        step = replace(step, args=call.args, references=call.references, terms=replace(step.terms, **call.options))
    return step if step.extras is None else replace(step, extras=_filled_extras(step.extras, values))


def _filled_extras(extras: Extras, values: Mapping[str, Any]) -> Extras:
    undo, kind = extras.undo, extras.kind
    if undo is not None and undo.arg_refs is not None and '{"param":true}' in undo.arg_refs:
        extras = replace(extras, undo=_filled_undo(undo, values))
    if isinstance(kind, Map) and kind.graph != NO_GRAPH:
        # Its own items come later, and its holes of their names are theirs.
        outer = {name: value for name, value in values.items() if name not in kind.each}
        graph = _filled(expansion.from_text(bytes(kind.graph).decode()), outer)
        extras = replace(extras, kind=replace(kind, graph=msgspec.Raw(expansion.to_text(graph).encode())))
    return extras


def _filled_undo(undo: Undo, values: Mapping[str, Any]) -> Undo:
    assert undo.arg_refs is not None
    call = _filled_call(undo.args, undo.arg_refs, values)
    return replace(undo, args=call.args, arg_refs=call.references, **call.options)


class _Call(msgspec.Struct, frozen=True):
    """A call with values in its holes."""

    args: str
    references: str | None
    options: GivenOptions


def _filled_call(args: str, references: str, values: Mapping[str, Any]) -> _Call:
    arguments = codec.decode(args)
    kept: list[Any] = []
    options: dict[str, Any] = {}
    for reference in codec.decode(references):
        path, name, *special = reference
        if not special or "param" not in special[0] or name not in values:
            kept.append(reference)
        elif path[0] == "":
            options[path[1]] = values[name]
        else:
            _put(arguments, path, values[name])
    return _Call(codec.encode(arguments), codec.encode(kept) if kept else None, options_of_json(options))


def _put(arguments: Any, path: Sequence[str | int], value: Any) -> None:
    place = arguments
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
