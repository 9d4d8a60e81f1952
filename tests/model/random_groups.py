"""Draws random workflows with groups. A seed draws the same ones in every process."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.model.group_plan import Graph, GroupAct, GroupPlan, IgnoreFlags, Node

MOST_DEEP = 3
ITEMS = 4
"""The most items of a list."""


def group_plans(seed: str, count: int) -> list[GroupPlan]:
    """Draw workflows; a seed with a number, as in "7/12", draws that one alone."""
    if "/" in seed:
        return [group_plan(seed)]
    return [group_plan(f"{seed}/{number}") for number in range(count)]


def group_plan(label: str) -> GroupPlan:
    chance = random.Random(f"groups {label}")
    drawing = _Drawing(chance, hangs_wanted=chance.random() < 0.15, calm=chance.random() < 0.1)
    whole = drawing.graph(chance.randint(3, 6), 0, (), {})
    cancels = None
    if drawing.around is not None:
        cancels = () if chance.random() < 0.25 else (chance.choice(drawing.around),)
    return GroupPlan(label, whole, cancels)


@dataclass(slots=True)
class _Drawing:
    chance: random.Random
    hangs_wanted: bool
    calm: bool
    """Nothing fails."""
    around: tuple[str, ...] | None = None
    """The step that hangs, and the groups around it."""
    names_of: list[str] = field(default_factory=list)

    def graph(self, size: int, depth: int, path: tuple[str, ...], outer: dict[str, Node]) -> Graph:
        """Draw a workflow; `path` has the full names of the groups around it, `outer` what may be named around it."""
        names = [f"n{number}" for number in range(size)]
        visible = {name: node for name, node in outer.items() if name not in names}
        steps = []
        for name in names:
            node = self.node(name, depth, path, visible)
            visible[name] = node
            steps.append(node)
        returns = self.chance.choice(names) if self.chance.random() < 0.4 else None
        return Graph(tuple(steps), returns)

    def node(self, name: str, depth: int, path: tuple[str, ...], visible: dict[str, Node]) -> Node:
        full = f"{path[-1]}/{name}" if path else name
        named = self._some(list(visible), 2)
        left = self.chance.choice(list(visible)) if visible and self.chance.random() < 0.4 else None
        plain = Node(name, deps=tuple(named), left=left, flags=self._flags())
        kind = self.chance.random()
        if kind < 0.2 and depth < MOST_DEEP:
            inside = self.graph(self.chance.randint(1, 4), depth + 1, (*path, full), visible)
            return replace(plain, kind="workflow", left=None, inside=inside)
        if kind < 0.4 and depth < MOST_DEEP:
            return self._map(plain, depth, (*path, full), visible)
        return self._step(plain, depth, (*path, full), {name: visible[name] for name in plain.named})

    def _map(self, plain: Node, depth: int, path: tuple[str, ...], visible: dict[str, Node]) -> Node:
        sources = [name for name, node in visible.items() if node.kind == "step" and node.inside is None]
        lists = [name for name in sources if "list" in visible[name].acts]
        source = None
        if lists and self.chance.random() < 0.8:
            source = self.chance.choice(lists)
        elif sources and self.chance.random() < 0.1 and not self.calm:
            source = self.chance.choice(sources)  # its result is no list: the map fails
        named = {name: visible[name] for name in replace(plain, source=source).named}
        size = ITEMS if source is not None else self.chance.choice([0, 1, 2, 3, ITEMS])
        if size and depth < MOST_DEEP and self.chance.random() < 0.3:
            items = [self._item_of_workflow(depth, path, named)] * size
        else:
            items = self._items(size, depth, path, named)
        concurrency = self.chance.choice([None, 1, 2, 3])
        return replace(plain, kind="map", source=source, items=tuple(items), concurrency=concurrency)

    def _items(self, size: int, depth: int, path: tuple[str, ...], named: dict[str, Node]) -> list[Node]:
        return [self._step(Node(""), depth, (*path, f"{path[-1]}[{number}]"), named, 0.12) for number in range(size)]

    def _item_of_workflow(self, depth: int, path: tuple[str, ...], named: dict[str, Node]) -> Node:
        """An item that becomes a graph, as all others of its map do. No step of it hangs: each item would."""
        hangs_wanted, self.hangs_wanted = self.hangs_wanted, False
        inside = self.graph(self.chance.randint(1, 4), depth + 1, (*path, f"{path[-1]}[0]"), named)
        self.hangs_wanted = hangs_wanted
        return Node("", acts=("graph",), inside=inside)

    def _step(
        self, plain: Node, depth: int, path: tuple[str, ...], named: dict[str, Node], graph_share: float = 0.2
    ) -> Node:
        snoozes = 1 if self.chance.random() < 0.06 else 0
        if self.hangs_wanted and self.around is None and self.chance.random() < 0.2:
            self.around = path
            return replace(plain, acts=("hang",), snoozes=snoozes)
        if self.chance.random() < graph_share and depth < MOST_DEEP:
            inside = self.graph(self.chance.randint(1, 4), depth + 1, path, named)
            acts: Sequence[GroupAct] = ("raise", "graph") if self._fails(0.1) else ("graph",)
            return replace(plain, acts=tuple(acts), snoozes=snoozes, inside=inside)
        last = self._last_act()
        acts = (self.chance.choice(["raise", "retry"]), last) if self._fails(0.1) else (last,)
        return replace(plain, acts=tuple(acts), snoozes=snoozes, size=self.chance.choice([0, 1, 2, ITEMS]))

    def _last_act(self) -> GroupAct:
        if self._fails(0.22):
            bad: list[GroupAct] = ["raise", "raise", "cancel", "skip", "skip", "cycle", "unknown", "empty", "twice"]
            return self.chance.choice(bad)
        return "list" if self.chance.random() < 0.3 else "return"

    def _fails(self, likelihood: float) -> bool:
        return self.chance.random() < likelihood and not self.calm

    def _flags(self) -> IgnoreFlags:
        if self.chance.random() < 0.5:
            return IgnoreFlags()
        return IgnoreFlags(*[self.chance.random() < 0.5 for _ in range(3)])

    def _some(self, names: list[str], most: int) -> list[str]:
        return self.chance.sample(names, min(len(names), self.chance.randint(0, most)))
