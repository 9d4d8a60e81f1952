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


def retry(
    machine: Machine,
    names: Collection[str] = (),
    *,
    forward: bool = False,
    downstream: bool = False,
    given: tuple[Vertex, str] | None = None,
) -> list[Vertex]:
    """Open steps of a workflow that is final; return them. `given`: one of them ends at once, in this state."""
    steps = machine.by_name()
    only_undos = bool(names) and all(steps[name].role == "undo" for name in names)
    undone = {undo.undoes for undo in machine.undos if undo.undoes is not None and not undo.undoes.not_needed}
    begun_anew = set() if forward or only_undos else undone
    if downstream:
        begun_anew = begun_anew | _begins_anew(machine, names)
    opened, again = _opened(machine, names, begun_anew)
    if not opened or (given is not None and given[0] not in opened):
        return []
    for one in again:
        _unexpand(machine, one)
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
    _go_on(machine, opened, given)
    return [one for one in opened if one.role in ("step", "undo")]


def _opened(machine: Machine, names: Collection[str], undone: set[Vertex]) -> tuple[list[Vertex], set[Vertex]]:
    """What is opened, and what of it expands anew."""
    after_undone = _downstream(undone)
    found = _named(machine, names) | after_undone
    waiting = list(found)
    while waiting:
        for reached in _reached(waiting.pop(), bool(names)):
            if reached not in found and reached.is_final:
                found.add(reached)
                waiting.append(reached)
    again = {one for one in found if one.is_expandable and one.children is not None and _runs_again(one, found)}
    again |= {one for one in after_undone if one.is_expandable and one.children is not None}
    again = {one for one in again if not again.intersection(one.around())}
    for one in again:
        found -= set(one.below()) - {one}
    return ordered(found, machine.place_of_all()), again


def _runs_again(one: Vertex, opened: Collection[Vertex]) -> bool:
    """Whether a closing step that had expanded runs again from the start: what it cleans up runs again."""
    is_over = one.runs is not None and any(cause in opened and cause.undoes is None for cause in one.edges)
    return is_over or any(
        gate in opened and gate.role == "gate" and gate.runs is not None
        for group in one.around()
        for gate in group.children or ()
    )


def _unexpand(machine: Machine, group: Vertex) -> None:
    gone = set(group.below()) - {group}
    group.generation = max(one.generation for one in group.below())
    group.children = None
    machine.vertices = [one for one in machine.vertices if one not in gone]
    for one in machine.vertices:
        one.dependents = [below for below in one.dependents if below not in gone]


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
        found |= {below for below in one.below() if below.state in ends}
    return found


def _begins_anew(machine: Machine, names: Collection[str]) -> set[Vertex]:
    """What a retry of all downstream begins with: of a group what failed in it, or all of it if nothing did."""
    named = _named(machine, names)
    found = {one for one in named if one.children is None}
    for group in [one for one in machine.vertices if one.name in names and one.children is not None]:
        if not named.intersection(group.below()):
            found |= {one for one in group.below() if one.children is None or one.is_expandable}
    return found


def end_without_running(machine: Machine, one: Vertex, state: str) -> None:
    """A step ends as somebody decides; its consequences follow."""
    machine._end(one, state)
    if state == "completed":
        one.began = True
        if one.undoes is not None:
            one.undoes.began = False
            one.undoes.generation += 1


def intervene(machine: Machine, name: str, state: str, *, forward: bool) -> str | int:
    """Complete or skip a step; return why that is refused, or how many steps ended or were opened."""
    one = machine.by_name()[name]
    if one.children is not None or (one.plan.kind == "map" and one.is_expandable and state == "completed"):
        return "group"
    if one.state in ("completed", state):
        return "ended"
    if one.state == "running":
        return "executing"
    if not one.is_final:
        machine.now += 1
        end_without_running(machine, one, state)
        machine._spread([one])
        return 1
    if refused(machine, [name], forward=forward):
        return "undos"
    # Nothing is opened if what the step is a part of begins anew.
    return len(retry(machine, [name], forward=forward, given=(one, state))) or "anew"


def _downstream(undone: set[Vertex]) -> set[Vertex]:
    """What was undone and all that is downstream of it. What waits for a group around it is."""
    found = set(undone)
    around: set[Vertex] = set()
    waiting = list(found)
    while waiting:
        one = waiting.pop()
        for below in one.dependents:
            if below not in found and below.is_final:
                found.add(below)
                waiting.append(below)
        if one.group is not None and one.group.is_final and one.group not in around:
            around.add(one.group)
            waiting.append(one.group)
    return found


def _reached(one: Vertex, has_names: bool) -> set[Vertex]:
    """What opens because this step does."""
    found: set[Vertex] = set()
    for below in one.dependents:
        edge = below.edge_to(one)
        is_kept = not edge.counts_as_done(one.state)
        if below.needs is not None:
            is_kept = one.state != "completed" and not edge.observes
        if (has_names or one.state == "skipped") and below.state in ("cancelled", "skipped") and is_kept:
            found.add(below)
            found |= {each for each in below.below() if each.state in ("discarded", "cancelled")}
        if (below.runs is not None or below.role == "end") and one.undoes is None:
            found.add(below)
        is_decided = below.decider is not None and below.decider.when is not None
        if is_decided and not below.began and below.state in ("skipped", "discarded"):
            found.add(below)
    if one.role == "gate" and one.runs is not None and one.group is not None:
        found |= set(one.group.below())
    return found if one.group is None else found | {one.group}


def _forget_undos(machine: Machine) -> None:
    gone = set(machine.undos)
    machine.undos = []
    for one in machine.vertices:
        one.edges = {cause: edge for cause, edge in one.edges.items() if cause not in gone}


def _go_on(machine: Machine, opened: list[Vertex], given: tuple[Vertex, str] | None) -> None:
    """An opened step that a dependency keeps from running ends again at once; the others go on."""
    if given is not None:
        end_without_running(machine, *given)
    causes = {cause for one in opened for cause in one.edges if cause.is_final and cause.state in UNFAVOURABLE}
    ended = [] if given is None else [given[0]]
    ended += machine._cascade(ordered(causes, machine.place_of_all()))
    released: list[Vertex] = []
    for one in opened:
        if one.needs is not None and one.is_undecided:
            ended += machine._judge_need(one, released)
    ended += machine._decide(released)
    ripe = [one for one in opened if one.state == "waiting" and one.needs is None and machine._is_ripe(one)]
    ended += machine._decide(ripe)
    machine._spread(ended, machine._cancel_rests(released))
    skipped: list[Vertex] = []
    for one in opened:
        if one.state == "waiting" and one.children is not None and all(child.is_final for child in one.children):
            # A closing group with nothing to clean up is skipped at once, as its gate was.
            if any(child.role == "gate" and child.runs and child.state == "skipped" for child in one.children):
                machine._end(one, "skipped")
                skipped.append(one)
            else:
                one.state = "ready"
    machine._spread(skipped)
