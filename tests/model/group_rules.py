"""The rules of groups as a small model: which steps come into being, how each ends, and with what result.

Of the run it asks only when steps ended, where an order decides: which of several unfavourable dependencies was first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.model.group_plan import FAULTS, NOTHING, Family, Growth, Node, Tolerance, value_of

BEFORE = datetime(1, 1, 1, tzinfo=UTC)
ABSENT = object()
"""The result of what has none."""


@dataclass(slots=True, eq=False)
class Place:
    """A step that is to be there."""

    name: str
    local: str
    node: Node
    group: Place | None
    scope: Mapping[str, Place]
    """What names stand for in it."""
    grown_by: Place | None = None
    """The step whose worker put it into the run; what it names outside that graph ended before."""
    number: int | None = None
    """Of a child of a map."""
    is_first: bool = False
    """It waits in the place of its group as well."""
    dependents: list[Place] = field(default_factory=list)
    children: list[Place] | None = None
    state: str = ""
    result: Any = ABSENT
    attempts: int | None = None
    """None where it does not matter."""

    def own(self) -> list[Place]:
        """What it waits for by name."""
        return [] if self.number is not None else [self.scope[name] for name in self.node.named]

    def awaited(self) -> list[Place]:
        inherited = self.group.awaited() if self.is_first and self.group is not None else []
        return list(dict.fromkeys([*self.own(), *inherited]))

    def flags(self) -> Tolerance:
        if not self.is_first or self.group is None:
            return self.node.flags
        inherited = self.group.flags()
        return self.node.flags.beside(inherited) if self.own() else inherited

    def does(self) -> Node:
        """The plan of what its worker does."""
        return self.node if self.number is None else self.node.items[self.number]

    def below(self) -> Iterator[Place]:
        """It and all that is below it."""
        yield self
        for child in self.children or ():
            yield from child.below()

    def family(self) -> Family | None:
        """Whose children it has, if not those of a map."""
        return self.does().inside


class Foretold:
    """What becomes of a workflow, given when its steps ended.

    Args:
        ended: when each step ended, by name.
        by_hand: the names of the steps that were cancelled by hand, with what was there below them.
    """

    def __init__(self, growth: Growth, ended: Mapping[str, datetime], by_hand: frozenset[str] = frozenset()) -> None:
        self._ended = ended
        self._by_hand = by_hand
        self._done: dict[Place, bool] = {}
        self._whole = growth.whole
        self.tops = self._laid_out(growth.whole, None, {})
        for place in self.tops:
            self._end(place)

    def places(self) -> dict[str, Place]:
        return {place.name: place for top in self.tops for place in top.below()}

    def state(self) -> str:
        """The final state of the workflow, if it was not cancelled as a whole."""
        return "completed" if all(map(is_passing, self.tops)) else "failed"

    def answer(self) -> tuple[str, Any]:
        """What asking for the result of the run gives: "result" and the value, or the state of what has none."""
        roots = self._lasts(self.tops, self._whole.returns)
        if len(roots) == 1:
            return self._answer_of(roots[0])
        found = {}
        for root in roots:
            if root.state == "skipped":
                continue
            kind, value = self._answer_of(root)
            if kind != "result":
                return kind, None
            found[root.local] = value
        return "result", found

    def _answer_of(self, place: Place) -> tuple[str, Any]:
        if place.state == "completed" and place.result is not ABSENT:
            return "result", place.result
        if place.state == "completed":
            family = place.family()
            assert family is not None
            assert place.children is not None
            return self._answer_of(self._lasts(place.children, family.returns)[0])
        return place.state, None

    # What comes into being

    def _laid_out(
        self, family: Family, group: Place | None, outer: Mapping[str, Place], grown_by: Place | None = None
    ) -> list[Place]:
        """The steps of a family, and of those inside it, before anything has run."""
        prefix = "" if group is None else f"{group.name}/"
        inside: dict[str, Place] = {}
        scope = _Chained(inside, outer)
        for node in family.steps:
            inside[node.name] = Place(f"{prefix}{node.name}", node.name, node, group, scope, grown_by=grown_by)
        places = list(inside.values())
        for place in places:
            is_static = group is not None and group.node.kind == "family"
            place.is_first = is_static and not any(name in inside for name in place.node.named)
        for place in places:
            if place.node.kind == "family":
                assert place.node.inside is not None
                place.children = self._laid_out(place.node.inside, place, scope, grown_by)
            else:
                for awaited in place.awaited():
                    awaited.dependents.append(place)
        return places

    # How each ends

    def _end(self, place: Place) -> None:
        if self._done.setdefault(place, False):
            return
        if place.node.kind == "family" and place.number is None:
            assert place.children is not None
            for child in place.children:
                self._end(child)
            self._judge(place)
        else:
            for awaited in place.awaited():
                self._end(awaited)
            self._run(place)
        if place.name in self._by_hand:
            place.state = "cancelled"
            place.attempts = None
        self._done[place] = True

    def _run(self, place: Place) -> None:
        doomed = self._doom(place)
        if place.name in self._by_hand:
            # What it had begun it had begun: children there are, if it got so far.
            self._begin_as_observed(place)
        elif doomed is not None:
            place.state = doomed
            place.attempts = 0
        elif place.node.kind == "map" and place.number is None:
            self._come_apart(place)
        else:
            self._act(place)

    def _begin_as_observed(self, place: Place) -> None:
        if place.node.kind == "map" and place.number is None and f"{place.name}[0]" in self._ended:
            self._come_apart(place)
        elif (family := place.family()) is not None and f"{place.name}/{family.steps[0].name}" in self._ended:
            self._grow(place, family)

    def _doom(self, place: Place) -> str | None:
        """How its dependencies end it; None if they let it run."""
        unfavourable = [awaited for awaited in place.awaited() if not place.flags().ignores(awaited.state)]
        if not unfavourable:
            return None
        first = min(self._known_at(place, awaited) for awaited in unfavourable)
        deciding = [awaited for awaited in unfavourable if self._known_at(place, awaited) == first]
        return "skipped" if all(awaited.state == "skipped" for awaited in deciding) else "cancelled"

    def _known_at(self, place: Place, awaited: Place) -> datetime:
        """When a step learns of the end of another; one that was grown, of all outside in its first moment."""
        is_outside = place.grown_by is not None and awaited.grown_by is not place.grown_by
        return BEFORE if is_outside else self._ended[awaited.name]

    def _come_apart(self, place: Place) -> None:
        node = place.node
        size = len(node.items)
        if node.source is not None:
            items = place.scope[node.source].result
            if items is not ABSENT and not isinstance(items, list):
                place.state = "discarded"
                return
            size = 0 if items is ABSENT else len(items)
        if size == 0:
            place.state, place.result = "completed", []
            return
        place.children = [
            Place(
                f"{place.name}[{number}]",
                f"{place.local}[{number}]",
                node,
                place,
                place.scope,
                grown_by=place.grown_by,
                number=number,
            )
            for number in range(size)
        ]
        for child in place.children:
            self._end(child)
        self._judge(place)

    def _act(self, place: Place) -> None:
        plan = place.does()
        for attempt in range(1, plan.max_attempts + 1):
            place.attempts = attempt
            deed = plan.deed(attempt)
            if deed in FAULTS:
                place.state = "discarded"
            elif deed == "return":
                place.state, place.result = "completed", value_of(place.name, *self._given(place))
            elif deed == "list":
                place.state, place.result = "completed", list(range(plan.size))
            elif deed == "grow":
                assert plan.inside is not None
                self._grow(place, plan.inside)
            elif deed in ("cancel", "skip"):
                place.state = {"cancel": "cancelled", "skip": "skipped"}[deed]
            if place.state:
                return
        place.state = "discarded"

    def _given(self, place: Place) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        node = place.node
        seen = {name: place.scope[name].result for name in node.read if place.scope[name].result is not ABSENT}
        told = {
            name: [place.scope[name].state, {child.local: child.state for child in place.scope[name].children or ()}]
            for name in node.read
        }
        return (NOTHING if node.left is None else seen.get(node.left, NOTHING)), seen, told

    def _grow(self, place: Place, family: Family) -> None:
        outer = {name: place.scope[name] for name in place.node.named}
        place.children = self._laid_out(family, place, outer, place)
        for child in place.children:
            self._end(child)
        self._judge(place)

    # How a group ends

    def _judge(self, group: Place) -> None:
        assert group.children is not None
        failing = {child.state for child in group.children if not is_passing(child)}
        if failing:
            group.state = "discarded" if "discarded" in failing else "cancelled"
        else:
            group.state = "skipped" if all(child.state == "skipped" for child in group.children) else "completed"
        group.result = self._result(group, group.children)

    def _result(self, group: Place, children: Sequence[Place]) -> Any:
        if group.node.kind == "map" and group.number is None:
            return [child.result for child in children if child.result is not ABSENT]
        family = group.family()
        assert family is not None
        lasts = self._lasts(children, family.returns)
        if len(lasts) == 1:
            return lasts[0].result
        return {last.local: last.result for last in lasts if last.result is not ABSENT}

    def _lasts(self, children: Sequence[Place], returns: str | None) -> list[Place]:
        if returns is not None:
            return [child for child in children if child.local == returns]
        return [child for child in children if not waited_for(child)]


class _Chained(Mapping[str, Place]):
    """Names inside stand for steps inside first, then for those around."""

    def __init__(self, inside: Mapping[str, Place], outer: Mapping[str, Place]) -> None:
        self._scopes = (inside, outer)

    def __getitem__(self, name: str) -> Place:
        return next(scope for scope in self._scopes if name in scope)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([name for scope in self._scopes for name in scope]))

    def __len__(self) -> int:
        return len(list(iter(self)))


def is_passing(place: Place) -> bool:
    """Whether it fails nothing: it did not fail, or each of at least one dependents ignores that it did."""
    if place.state in ("completed", "skipped"):
        return True
    return bool(place.dependents) and all(each.flags().ignores(place.state) for each in place.dependents)


def waited_for(place: Place) -> bool:
    return bool(place.dependents)
