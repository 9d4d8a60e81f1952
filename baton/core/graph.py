"""The graph of a workflow: its edges by position, its topological order, its faults. Linear in steps plus edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from baton.errors.faults import Cycle, SelfDependency, UnknownDependency

MAX_SUGGESTIONS = 20
"""How many unknown names are compared with the known ones; each comparison goes through all names."""

GraphFault = UnknownDependency | SelfDependency | Cycle
NO_GROUPS: Mapping[int, range] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph whose names were resolved. Steps are positions, in the order added."""

    dependencies: tuple[tuple[int, ...], ...]
    """For each step the known steps it waits for, ascending and distinct, without itself. An entry step has those of
    its group as well."""
    own: Sequence[tuple[int, ...]]
    """The same without those of its group."""
    entry_steps: frozenset[int]
    """The children of groups that wait for no other child of their group. They wait for what the group waits for."""
    outer: dict[int, tuple[str, ...]]
    """The names of the dependencies that a step of an open graph has outside it."""
    order: tuple[int, ...]
    """Each step after all its dependencies, a group after its children. It is the order added if that is such an order,
    else the order by distance from the start, then the order added. Empty if there is a cycle."""
    faults: tuple[GraphFault, ...]


def resolve(
    names: Sequence[str],
    awaited: Sequence[tuple[str, ...]],
    scopes: Sequence[Mapping[str, int]] | None = None,
    groups: Mapping[int, range] = NO_GROUPS,
    *,
    is_open: bool = False,
) -> Graph:
    """Return the graph of steps whose dependencies are given by name, in `awaited` for each step.

    `scopes` has for each step the position that a name stands for there; left out, names are those in `names`. `groups`
    has the children of each group, outer groups before inner ones. In an open graph an unknown name stands for a step
    outside it.
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
    entry_steps, dependencies = _with_entry_steps(own, groups)
    awaits = _with_children(dependencies, groups)
    order = _ordered(awaits)
    if order is None:
        faults += [Cycle(tuple([names[member] for member in cycle])) for cycle in cycles(awaits)]
    return Graph(tuple(dependencies), own, entry_steps, outer, order or (), tuple(faults))


def _with_entry_steps(
    own: list[tuple[int, ...]], groups: Mapping[int, range]
) -> tuple[frozenset[int], list[tuple[int, ...]]]:
    """Return the entry steps of all groups, and all dependencies, those that entry steps have from their groups too."""
    if not groups:
        return frozenset(), own
    dependencies = list(own)
    entry_steps: set[int] = set()
    for group, siblings in groups.items():
        entries = [child for child in siblings if not any(awaited in siblings for awaited in own[child])]
        entry_steps.update(entries)
        for child in entries:
            dependencies[child] = tuple(sorted({*dependencies[child], *dependencies[group]}))
    return frozenset(entry_steps), dependencies


def _with_children(dependencies: list[tuple[int, ...]], groups: Mapping[int, range]) -> Sequence[tuple[int, ...]]:
    """Return the dependencies in which a group waits for its children, as it does in the database."""
    if not groups:
        return dependencies
    awaits = list(dependencies)
    for group, children in groups.items():
        awaits[group] = tuple(children)
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
    # Most graphs are written in an order in which they could run. To see that takes a twentieth of
    # the time in which graphlib finds an order.
    if all(not awaited or awaited[-1] < position for position, awaited in enumerate(dependencies)):
        return tuple(range(len(dependencies)))
    # Imported where it is needed, as most programs never do.
    from graphlib import CycleError, TopologicalSorter

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
    # The walk went from a step to what it waits for, which is against the order in which they would
    # run.
    cycle = list(walked)[walked[step] :][::-1]
    first = cycle.index(min(cycle))
    return tuple(cycle[first:] + cycle[:first])
