"""What a retry of a workflow that has ended opens, and what becomes of that."""

from __future__ import annotations

from collections.abc import Collection

from tests.model.ending_graph import UNFAVOURABLE, Vertex, ordered
from tests.model.ending_rules import Machine


def refused(machine: Machine, names: Collection[str], *, forward: bool) -> set[str]:
    """The undos for which a retry is refused: those that failed, unless these are retried or left as they are."""
    steps = machine.by_name()
    if forward or (names and all(steps[name].role == "undo" for name in names)):
        return set()
    return {undo.name for undo in machine.undos if undo.state != "completed"}


def retry(machine: Machine, names: Collection[str] = (), *, forward: bool = False) -> list[Vertex]:
    """Open steps of a workflow that is final; return them."""
    steps = machine.by_name()
    only_undos = bool(names) and all(steps[name].role == "undo" for name in names)
    undone = {undo.undoes for undo in machine.undos} - {None} if not forward and not only_undos else set()
    opened = _opened(machine, names, {one for one in undone if one is not None})
    if not opened:
        return []
    machine.now += 1
    if not only_undos:
        machine.ending = None
        _forget_undos(machine)
    for one in opened:
        one.state = "waiting"
        one.not_needed = False
        one.ending = None
        one.frozen = None
    machine.state = "executing"
    _go_on(machine, opened)
    return [one for one in opened if one.role in ("step", "undo")]


def _opened(machine: Machine, names: Collection[str], undone: set[Vertex]) -> list[Vertex]:
    found = _named(machine, names) | undone
    after_undone = _downstream(undone)
    found |= after_undone
    waiting = list(found)
    while waiting:
        one = waiting.pop()
        for reached in _reached(one, bool(names), after_undone):
            if reached not in found:
                found.add(reached)
                waiting.append(reached)
    return ordered(found, machine.place_of_all())


def _named(machine: Machine, names: Collection[str]) -> set[Vertex]:
    if not names:
        # Without names it is about what was to be done, not about what takes it back.
        return {one for one in machine.vertices if one.state in ("discarded", "cancelled") and not one.not_needed}
    found: set[Vertex] = set()
    for one in [machine.by_name()[name] for name in names]:
        if one.children is None:
            found.add(one)
            continue
        ends = {"discarded", "cancelled"} | ({"skipped"} if one.state == "skipped" else set())
        found |= {below for below in one.below() if below.state in ends and below.children is None}
        found |= {below for below in one.below() if below.state in ends and below is not one}
    return found


def _downstream(undone: set[Vertex]) -> set[Vertex]:
    found = set(undone)
    waiting = list(found)
    while waiting:
        one = waiting.pop()
        reached = {*one.dependents, *([one.group] if one.group is not None else []), *(one.children or [])}
        if one not in undone and one.children is not None:
            reached -= set(one.children)
        for below in reached:
            if below not in found and below.is_final:
                found.add(below)
                waiting.append(below)
    return found


def _reached(one: Vertex, has_names: bool, after_undone: Collection[Vertex]) -> set[Vertex]:
    """What opens because this step does."""
    found: set[Vertex] = set()
    for below in one.dependents:
        if (
            (has_names or one.state == "skipped")
            and below.state in ("cancelled", "skipped")
            and not below.edge_to(one).counts_as_done(one.state)
        ):
            found.add(below)
        if (below.runs is not None or below.role == "end") and one.undoes is None:
            found.add(below)
        if below.decider is not None and below.decider.when is not None and not below.began:
            if below.state in ("skipped", "discarded"):
                found.add(below)
    if one.role == "gate" and one.group is not None and one.group.plan.runs is not None:
        found |= set(one.group.below())
    if one.group is not None:
        found.add(one.group)
    return found


def _forget_undos(machine: Machine) -> None:
    gone = set(machine.undos)
    machine.undos = []
    for one in machine.vertices:
        one.edges = {cause: edge for cause, edge in one.edges.items() if cause not in gone}


def _go_on(machine: Machine, opened: list[Vertex]) -> None:
    """An opened step that a dependency keeps from running ends again at once; the others go on."""
    causes = {
        cause for one in opened for cause in one.edges if cause.is_final and cause.state in UNFAVOURABLE
    }
    ended = machine._cascade(ordered(causes, machine.place_of_all()))
    for one in opened:
        if one.needs is not None and one.state == "waiting":
            released: list[Vertex] = []
            ended += machine._judge_need(one, released)
            ended += machine._decide(released)
    ripe = [one for one in opened if one.state == "waiting" and one.needs is None and machine._is_ripe(one)]
    machine._spread(ended, machine._decide(ripe))
