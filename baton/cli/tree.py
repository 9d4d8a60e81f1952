"""A workflow drawn as a tree, each step once, along its dependencies.

A DAG is no tree. A step with several dependencies stands below the one that is furthest from the start, and names
the others on its line. Siblings that look alike, with all that is below them, are folded, and at some depth the tree
stops growing to the right. So a drawing has at most a line a step, and takes time and space linear in steps and edges.

A group is one line with numbers; a small one that is no map, and each that is asked for, is followed by its children,
on rails of their own.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from baton.database.step_records import StepRecord

DEEPEST = 12
FOLDED_ABOVE = 10
KEPT_OF_FOLDED = 3
LARGEST_OPEN = 10
INSIDE = "┊  "


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step, and where it stands."""

    rails: str
    """What is drawn before its name."""
    rails_below: str
    """What is drawn before a remark on the step, on the next line."""
    step: StepRecord
    after: Sequence[str]
    """The dependencies that cannot be seen from where it stands."""
    is_closed: bool
    """It is a group whose children are not drawn."""


@dataclass(frozen=True, slots=True)
class FoldLine:
    """Siblings that look like some of those above, with all that is below them."""

    rails: str
    siblings: int
    steps: int
    """The siblings and the steps below them."""
    state: str
    """Of the siblings."""


Line = StepLine | FoldLine


def tree(steps: Sequence[StepRecord], *, opened: Collection[str] = (), is_folded: bool = True) -> list[Line]:
    """Return the lines of the drawing, top to bottom. `steps` are a workflow's, in the order added.

    Groups named in `opened` are drawn with their children, and so are those around what is named there; all are, and
    nothing is folded, unless `is_folded`.
    """
    lines: list[Line] = []
    open_branches = [_branch(_Forest(steps), None, 0, "", is_folded)]
    while open_branches:
        branch = open_branches[-1]
        if not branch.items:
            open_branches.pop()
            continue
        item = branch.items.popleft()
        rails, below = _rails(branch)
        forest = branch.forest
        match item:
            case _Fold(names):
                size = sum(forest.sizes[name] for name in names)
                lines.append(FoldLine(rails, len(names), size, forest.steps[names[0]].state))
            case str(name):
                inner = _branch(forest, name, branch.depth + 1, below, is_folded)
                step = forest.steps[name]
                is_open = not is_folded or _is_open(step, opened)
                seen = forest.parents[name] if branch.depth <= DEEPEST else None
                after = [dependency for dependency in forest.dependencies[name] if dependency != seen]
                rails_below = below + ("│  " if inner.items else "   ")
                lines.append(StepLine(rails, rails_below, step, after, bool(step.children) and not is_open))
                open_branches.append(inner)
                if step.children and is_open:
                    open_branches.append(_branch(_Forest(step.children), None, 0, below + INSIDE, is_folded))
    return lines


def _is_open(step: StepRecord, opened: Collection[str]) -> bool:
    if step.grouping != "map" and len(step.children) <= LARGEST_OPEN:
        return True
    return any(name == step.name or name.startswith((f"{step.name}/", f"{step.name}[")) for name in opened)


@dataclass(frozen=True, slots=True)
class _Fold:
    """Siblings that are drawn as one line."""

    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Branch:
    """What is still to be drawn below one step, or inside it."""

    forest: _Forest
    items: deque[str | _Fold]
    depth: int
    rails: str


class _Forest:
    """The steps with one parent each, and for each what it and all below it look like."""

    def __init__(self, steps: Sequence[StepRecord]) -> None:
        self.steps = {step.name: step for step in steps}
        self.dependencies = {step.name: [name for name in step.dependencies if name in self.steps] for step in steps}
        order = list(TopologicalSorter(self.dependencies).static_order())
        self.parents = _parents(self.dependencies, order)
        self.children: dict[str | None, list[str]] = {}
        for name in self.steps:
            self.children.setdefault(self.parents[name], []).append(name)
        self.looks: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        self._measure(order)

    def _measure(self, order: Sequence[str]) -> None:
        known: dict[object, int] = {}
        for name in reversed(order):
            below = self.children.get(name, [])
            step = self.steps[name]
            within = tuple(sorted(Counter(child.state for child in step.children).items()))
            look = (step.state, bool(step.errors), within, tuple(sorted(self.looks[child] for child in below)))
            self.looks[name] = known.setdefault(look, len(known))
            self.sizes[name] = 1 + sum(self.sizes[child] for child in below)


def _parents(dependencies: Mapping[str, Sequence[str]], order: Sequence[str]) -> Mapping[str, str | None]:
    """The dependency each step stands below: the furthest from the start, of several the one added last."""
    positions = {name: position for position, name in enumerate(dependencies)}
    depths: dict[str, int] = {}
    parents: dict[str, str | None] = {}
    for name in order:
        furthest = max(dependencies[name], key=lambda one: (depths[one], positions[one]), default=None)
        parents[name] = furthest
        depths[name] = 0 if furthest is None else depths[furthest] + 1
    return parents


def _branch(forest: _Forest, parent: str | None, depth: int, rails: str, is_folded: bool) -> _Branch:
    names = forest.children.get(parent, [])
    return _Branch(forest, deque(_folded(names, forest.looks) if is_folded else names), depth, rails)


def _folded(names: Sequence[str], looks: Mapping[str, int]) -> list[str | _Fold]:
    alike: dict[int, list[str]] = {}
    for name in names:
        alike.setdefault(looks[name], []).append(name)
    folded = [group[KEPT_OF_FOLDED:] for group in alike.values() if len(group) > FOLDED_ABOVE]
    hidden = {name for group in folded for name in group}
    return [name for name in names if name not in hidden] + [_Fold(group) for group in folded]


def _rails(branch: _Branch) -> tuple[str, str]:
    """What is drawn before the next item's name, and before what stands below it."""
    is_last = len(branch.items) == 0
    if branch.depth == 0:
        return branch.rails, branch.rails
    if branch.depth > DEEPEST:
        return f"{branch.rails}┄  ", branch.rails
    return branch.rails + ("└─ " if is_last else "├─ "), branch.rails + ("   " if is_last else "│  ")
