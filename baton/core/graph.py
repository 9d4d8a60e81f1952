"""The graph of a workflow: its edges by position, its topological order, its faults. Linear in steps plus edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from baton.errors.faults import Cycle, SelfDependency, UnknownDependency

MAX_SUGGESTIONS = 20
"""How many unknown names are compared with the known ones; each costs a look at all names."""

GraphFault = UnknownDependency | SelfDependency | Cycle


@dataclass(frozen=True, slots=True)
class Family:
    """A group and its children by position: these lie side by side, behind the group."""

    group: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph whose edges were looked up. Steps are positions, in the order added."""

    dependencies: tuple[tuple[int, ...], ...]
    """For each step the known steps it waits for, ascending and distinct, itself left out; of a group those that its
    first
    steps wait for in its place."""
    own: Sequence[tuple[int, ...]]
    """The same without what it waits for in the place of its group."""
    entry_steps: frozenset[int]
    """The first steps of groups: those that wait for no other child of their group."""
    outer: dict[int, tuple[str, ...]]
    """What steps wait for outside the graph, by name, where that is allowed."""
    order: tuple[int, ...]
    """Each step after all it waits for, a group after its children: the order added if that will do, else by distance
    from
    the start and then in the order added. Empty if there is a cycle."""
    faults: tuple[GraphFault, ...]


def resolve(
    names: Sequence[str],
    awaited: Sequence[tuple[str, ...]],
    scopes: Sequence[Mapping[str, int]] | None = None,
    families: Sequence[Family] = (),
    *,
    is_open: bool = False,
) -> Graph:
    """Return the graph of steps that wait for steps by name; `awaited` has the names of one step per entry.

    `scopes` has for each step what a name stands for there; left out, one of the `names`. `families` are the groups, a
    group before those among its children. In an open graph an unknown name stands for something outside it.
    """
    everywhere = {name: position for position, name in enumerate(names)} if scopes is None else {}
    faults: list[GraphFault] = []
    own: list[tuple[int, ...]] = []
    outer: dict[int, tuple[str, ...]] = {}
    for position, wanted in enumerate(awaited):
        positions = everywhere if scopes is None else scopes[position]
        known = {positions[name] for name in wanted if name in positions}
        if len(known) != len(wanted) or position in known:
            if is_open and (unknown := tuple([name for name in wanted if name not in positions])):
                outer[position] = unknown
            at = _Place(names[position], position, positions)
            faults += _faults_of_step(at, wanted, len(faults), is_open=is_open)
            known.discard(position)
        own.append(tuple(sorted(known)))
    entry_steps, dependencies = _inherited(own, families)
    awaits = _with_children(dependencies, families)
    order = _ordered(awaits)
    if order is None:
        faults += [Cycle(tuple([names[member] for member in cycle])) for cycle in cycles(awaits)]
    return Graph(tuple(dependencies), own, entry_steps, outer, order or (), tuple(faults))


def _inherited(own: list[tuple[int, ...]], families: Sequence[Family]) -> tuple[frozenset[int], list[tuple[int, ...]]]:
    """Return the first steps of all groups, and the dependencies with what these wait for in its place."""
    if not families:
        return frozenset(), own
    dependencies = list(own)
    entry_steps: set[int] = set()
    for family in families:
        siblings = range(family.first, family.first + family.count)
        firsts = [child for child in siblings if not any(awaited in siblings for awaited in own[child])]
        entry_steps.update(firsts)
        for child in firsts:
            dependencies[child] = tuple(sorted({*dependencies[child], *dependencies[family.group]}))
    return frozenset(entry_steps), dependencies


def _with_children(dependencies: list[tuple[int, ...]], families: Sequence[Family]) -> Sequence[tuple[int, ...]]:
    """Return what each step waits for when a group waits for its children, and they in its place for the others."""
    if not families:
        return dependencies
    awaits = list(dependencies)
    for family in families:
        awaits[family.group] = tuple(range(family.first, family.first + family.count))
    return awaits


def dependents_of(dependencies: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return for each step the steps that wait for it, ascending."""
    dependents: list[list[int]] = [[] for _ in dependencies]
    for position, awaited in enumerate(dependencies):
        for dependency in awaited:
            dependents[dependency].append(position)
    return dependents


def cycles(dependencies: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """Return one cycle of each set of steps that wait for each other, in the order in which they would run."""
    found = [_cycle_within(component, dependencies) for component in _components(dependencies) if len(component) > 1]
    return sorted(found)


@dataclass(frozen=True, slots=True)
class _Place:
    """A step, and what names stand for there."""

    name: str
    position: int
    scope: Mapping[str, int]


def _faults_of_step(at: _Place, wanted: Sequence[str], found_before: int, *, is_open: bool) -> list[GraphFault]:
    faults: list[GraphFault] = []
    for name in dict.fromkeys(wanted):
        if name not in at.scope:
            known = list(at.scope) if found_before + len(faults) < MAX_SUGGESTIONS else []
            faults += [] if is_open else [UnknownDependency(at.name, name, known)]
        elif at.scope[name] == at.position:
            faults.append(SelfDependency(at.name))
    return faults


def _ordered(dependencies: Sequence[Sequence[int]]) -> tuple[int, ...] | None:
    # Most graphs are written in an order in which they could run; graphlib takes 25 ms for 10,000 steps and 30,000
    # edges to find another one, and this look takes 1 ms.
    if all(not awaited or awaited[-1] < position for position, awaited in enumerate(dependencies)):
        return tuple(range(len(dependencies)))
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for position, awaited in enumerate(dependencies):
        sorter.add(position, *awaited)
    try:
        sorter.prepare()
    except CycleError:
        return None
    order: list[int] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return tuple(order)


def _components(dependencies: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the strongly connected components (Kosaraju's algorithm)."""
    dependents = dependents_of(dependencies)
    assigned = [False] * len(dependencies)
    components: list[list[int]] = []
    for root in reversed(_finishing_order(dependencies)):
        if assigned[root]:
            continue
        assigned[root] = True
        component = [root]
        for step in component:
            reached = [dependent for dependent in dependents[step] if not assigned[dependent]]
            for dependent in reached:
                assigned[dependent] = True
            component += reached
        components.append(component)
    return components


def _finishing_order(dependencies: Sequence[Sequence[int]]) -> list[int]:
    """Return the steps in the order in which a depth-first search leaves them; its stack is a list, for any depth."""
    finished: list[int] = []
    is_seen = [False] * len(dependencies)
    for root in range(len(dependencies)):
        path = [] if is_seen[root] else [(root, iter(dependencies[root]))]
        is_seen[root] = True
        while path:
            step, awaited = path[-1]
            unseen = next((dependency for dependency in awaited if not is_seen[dependency]), None)
            if unseen is None:
                finished.append(step)
                path.pop()
            else:
                is_seen[unseen] = True
                path.append((unseen, iter(dependencies[unseen])))
    return finished


def _cycle_within(component: Sequence[int], dependencies: Sequence[Sequence[int]]) -> tuple[int, ...]:
    members = set(component)
    walked: dict[int, int] = {}
    step = min(members)
    while step not in walked:
        walked[step] = len(walked)
        step = next(dependency for dependency in dependencies[step] if dependency in members)
    # The walk went from a step to what it waits for, which is against the order in which they would run.
    cycle = list(walked)[walked[step] :][::-1]
    first = cycle.index(min(cycle))
    return tuple(cycle[first:] + cycle[:first])
