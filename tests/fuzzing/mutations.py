"""Mutations of the documents of valid workflows: of single values, and such that leave the document consistent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, TypeAlias

Document: TypeAlias = dict[str, Any]

VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 3, 5, 2**22, 2**31, 2**63, 0.5, 1e400, "", "0", "a", "x/y", "[gate]", "[end]"),
    *("baton.workflow", "workflow", "map", "always", "on failure", "gate", "end", "undo", "NaN", "infinity", "now"),
    *("{}", "[]", "{0}", "[1:1]={0}", "\u0000", "\ud800", "e\u0301", "x" * 300),
    *(
        [],
        [0],
        [1],
        [0, 1],
        [1, 0],
        [0, 0],
        [None],
        [[0]],
        [2**22],
        [-1],
        {},
        {"type": "map"},
        {"is": "all", "members": []},
    ),
)


def mutated(document: Document, random: Random) -> Document:
    """Return a copy with one to four mutations."""
    copy: Document = json.loads(json.dumps(document))
    for _ in range(random.choice((1, 1, 2, 3, 4))):
        random.choice(_MUTATIONS)(copy, random)
    return copy


def mutated_columns(columns: Sequence[Any], random: Random) -> tuple[Any, ...]:
    """Return what `workflow_columns` returned with one to three mutations, each of a type that the driver can send."""
    changed = [list(column) if isinstance(column, list) else column for column in columns]
    for _ in range(random.choice((1, 1, 2, 3))):
        place = random.randrange(len(changed))
        column = changed[place]
        if isinstance(column, str):
            changed[place] = _mutated_text(column, random)
        elif not column:
            changed[place] = [random.choice(_ELEMENTS[place])]
        elif (at := random.randrange(len(column))) and random.random() < 0.2:
            column[at], column[at - 1] = column[at - 1], column[at]
        elif random.random() < 0.2:
            del column[at]
        else:
            column[at] = _mutated_element(column[at], _ELEMENTS[place], random)
    return tuple(changed)


def _mutated_element(element: Any, others: Sequence[Any], random: Random) -> Any:
    if isinstance(element, str) and random.random() < 0.5:
        return _mutated_text(element, random)
    return random.choice(others)


def _mutated_text(text: str, random: Random) -> str:
    numbers = [found.span() for found in re.finditer(r"\d+", text)]
    if numbers and random.random() < 0.6:
        first, end = random.choice(numbers)
        return f"{text[:first]}{random.choice((0, 1, 2, 5, -1, 2**22, 2**31))}{text[end:]}"
    place = random.randrange(len(text) + 1)
    return text[:place] + random.choice(("", "x", "/", "\x1f", "{", "}", ",", "null")) + text[place + 1 :]


_ORDINALS = (
    "{0}",
    "{1}",
    "{0,1}",
    "{1,0}",
    "{}",
    "{ }",
    "{NULL}",
    "[1:1]={0}",
    "{{0}}",
    "{99}",
    "{4194304}",
    "{-1}",
    None,
)
_GROUP = '{"kind":{"type":"workflow","first_child":1,"children":1}}'
_NUMBERS = (0, 1, 2, 3, -1, 99, 2**22, 2**31 - 1, None)
_TEXTS = ("name", "", "{}", "[]", "1", "null", "x", None)
_ELEMENTS: tuple[Sequence[Any], ...] = (
    *(
        _TEXTS,
        _TEXTS,
        _TEXTS,
        (True, None),
        _TEXTS,
        (*_TEXTS, '{"deadline":1}'),
        _NUMBERS,
        _NUMBERS,
        _NUMBERS,
        _NUMBERS,
    ),
    *(_TEXTS, _TEXTS, (*_TEXTS, '[[["value"],"a"]]'), _ORDINALS, _ORDINALS, _ORDINALS, _NUMBERS),
    *((*_TEXTS, _GROUP, '{"role":"end"}', '{"needs":1}'), _NUMBERS, _TEXTS),
)
"""Elements of each column."""


def _change_value(document: Document, random: Random) -> None:
    holder, key = random.choice(list(_places(document)))
    holder[key] = json.loads(json.dumps(random.choice(VALUES)))


def _change_number(document: Document, random: Random) -> None:
    places = [(holder, key) for holder, key in _places(document) if type(holder[key]) is int]
    holder, key = random.choice(places)
    holder[key] += random.choice((-2, -1, 1, 2, 2**22))


def _remove(document: Document, random: Random) -> None:
    holder, key = random.choice(list(_places(document)))
    del holder[key]


def _repeat(document: Document, random: Random) -> None:
    lists = [(holder, key) for holder, key in _places(document) if isinstance(holder, list)]
    if lists:
        holder, key = random.choice(lists)
        holder.insert(key, holder[key])


def _copy_between_steps(document: Document, random: Random) -> None:
    steps = _steps(document)
    if steps and (source := random.choice(steps)):
        key = random.choice(list(source))
        random.choice(steps)[key] = json.loads(json.dumps(source[key]))


def _add_unknown(document: Document, random: Random) -> None:
    objects = [document, *[holder[key] for holder, key in _places(document) if isinstance(holder[key], dict)]]
    random.choice(objects)["unheard of"] = 1


def _connect(document: Document, random: Random) -> None:
    """Add an edge between any two steps, on both sides: it may close a cycle or lead into a group."""
    steps = _steps(document)
    if len(steps) > 1:
        first, second = random.sample(range(len(steps)), 2)
        _add_edge(steps, first, second, random)


def _add_edge(steps: list[Document], first: int, second: int, random: Random) -> None:
    dependencies = steps[second].get("dependencies") or []
    if not isinstance(dependencies, list) or first in dependencies or not all(type(one) is int for one in dependencies):
        return
    place = sum(one < first for one in dependencies)
    steps[second]["dependencies"] = [*dependencies[:place], first, *dependencies[place:]]
    extras = steps[second].get("extras")
    if isinstance(extras, dict) and isinstance(extras.get("edges"), list):
        extras["edges"].insert(place, random.choice((0, 7, 15)))
    dependents = steps[first].get("dependents") or []
    if isinstance(dependents, list) and all(type(one) is int for one in dependents):
        steps[first]["dependents"] = sorted({*dependents, second})


def _change_flags(document: Document, random: Random) -> None:
    for step in _steps(document):
        step[random.choice(("ignore_cancelled", "ignore_discarded", "ignore_skipped", "takes_context"))] = True


def _change_edges(document: Document, random: Random) -> None:
    for step in _steps(document):
        extras, dependencies = step.get("extras"), step.get("dependencies")
        if isinstance(dependencies, list) and not (isinstance(extras, dict) and "kind" in extras):
            bits = [random.choice((0, 3, 7, 15, 15)) for _ in dependencies]
            step["extras"] = {**(extras if isinstance(extras, dict) else {}), "edges": bits}


def _change_control(document: Document, random: Random) -> None:
    if steps := _steps(document):
        step = random.choice(steps)
        extras = step.setdefault("extras", {})
        if isinstance(extras, dict):
            extras |= random.choice(
                (
                    {"needs": random.choice((1, 2, 9)), "cancels_rest": random.choice((True, False))},
                    {"role": random.choice(("always", "on failure", "gate", "end", "undo"))},
                    {"is_closing": random.choice((True, False))},
                    {"is_last": random.choice((True, False))},
                    {"when": {"is": "failed", "steps": [random.choice(("a", "b", "x"))]}},
                    {"undo_inputs": [random.choice((0, 1, 2, 99))]},
                )
            )


_MUTATIONS = (
    *(_change_value, _change_value, _change_number, _remove, _repeat, _copy_between_steps, _add_unknown),
    *(_connect, _connect, _change_flags, _change_edges, _change_control, _change_control),
)


def _steps(document: Document) -> list[Document]:
    steps = document.get("steps")
    return [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a document: a list or an object, and the index or key in it."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in entries:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)
