"""Draws random workflows that use all that decides how a workflow ends. A seed draws the same ones everywhere."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tests.model.ending_plan import (
    Both,
    Either,
    End,
    EndPlan,
    EndScope,
    EndStep,
    Failed,
    Negated,
    ResultIs,
    StateIs,
    Succeeded,
    When,
)
from tests.model.group_plan import IgnoreFlags

MOST_DEEP = 2
BAD: tuple[End, ...] = ("discarded", "discarded", "cancelled", "skipped")
STATES = ("completed", "discarded", "cancelled", "skipped")


def ending_plans(seed: str, count: int) -> list[EndPlan]:
    """Draw workflows; a seed with a number, as in "7/12", draws that one alone."""
    if "/" in seed:
        return [ending_plan(seed)]
    return [ending_plan(f"{seed}/{number}") for number in range(count)]


def ending_plan(label: str) -> EndPlan:
    chance = random.Random(f"endings {label}")
    drawing = _Drawing(chance, trouble=chance.choice((0.0, 0.15, 0.3)), has_undos=chance.random() < 0.6)
    return EndPlan(label, drawing.scope(chance.randint(2, 6), 0, {}))


@dataclass(slots=True)
class _Drawing:
    chance: random.Random
    trouble: float
    has_undos: bool

    def scope(self, size: int, depth: int, outer: dict[str, EndStep], *, is_closing: bool = False) -> EndScope:
        visible = dict(outer)
        steps: list[EndStep] = []
        for number in range(size):
            name = f"n{depth}{number}"
            step = self._ordinary(name, depth, visible)
            if is_closing:
                step = replace(step, has_undo=False)
            visible[name] = step
            steps.append(step)
        closing: list[EndStep] = []
        for number in range(self.chance.choice((0, 0, 1, 1, 2))):
            step = self._closing(f"c{depth}{number}", depth, visible)
            visible[step.name] = step
            closing.append(step)
        return EndScope((*steps, *closing))

    def _ordinary(self, name: str, depth: int, visible: dict[str, EndStep]) -> EndStep:
        open_names = [one for one, step in visible.items() if step.runs is None]
        step = EndStep(
            name,
            deps=self._some(open_names, (0, 1, 1, 2)),
            flags=self._flags(),
            end=self._ends(),
            value=self.chance.randint(0, 3),
            has_undo=self.has_undos and self.chance.random() < 0.5,
            undo_end="discarded" if self.chance.random() < 0.08 else "completed",
        )
        step = self._with_references(step, open_names)
        if self.chance.random() < 0.25:
            step = replace(step, when=self._condition(visible, open_names, 2))
        kind = self.chance.random()
        if depth < MOST_DEEP and kind < 0.18:
            inside = self.scope(self.chance.randint(1, 3), depth + 1, visible)
            step = replace(step, kind="workflow", takes=(), defaults=(), observes=(), has_undo=False, inside=inside)
            return self._with_needs(step)
        step = self._with_needs(step)
        if depth < MOST_DEEP and kind < 0.28:
            named = {one: visible[one] for one in (*step.deps, *step.takes, *step.defaults)}
            return replace(step, kind="graph", inside=self.scope(self.chance.randint(1, 3), depth + 1, named))
        if kind < 0.4:
            return replace(step, kind="map", items=tuple(self._ends() for _ in range(self.chance.randint(1, 3))))
        return step

    def _with_references(self, step: EndStep, names: list[str]) -> EndStep:
        takes = self._some(names, (0, 0, 1))
        defaults = tuple(one for one in self._some(names, (0, 0, 1)) if one not in takes)
        return replace(step, takes=takes, defaults=defaults, observes=self._some(names, (0, 0, 0, 1)))

    def _with_needs(self, step: EndStep) -> EndStep:
        """Let a step need only some of its dependencies; what its condition would still read has to be there."""
        counted = {*step.deps, *step.takes, *step.defaults}
        if len(counted) < 2 or step.when is not None or self.chance.random() < 0.5:
            return step
        needs = self.chance.randint(1, len(counted) - 1)
        return replace(step, needs=needs, cancels_rest=self.chance.random() < 0.6)

    def _closing(self, name: str, depth: int, visible: dict[str, EndStep]) -> EndStep:
        names = list(visible)
        named = self._some(names, (0, 0, 1, 2))
        step = EndStep(
            name,
            deps=named,
            defaults=self._some(list(named), (0, 1)),
            runs=self.chance.choice(("always", "on failure")),
            end=self._ends(),
        )
        if named and self.chance.random() < 0.15:
            step = replace(step, when=StateIs(self.chance.choice(named), self.chance.choice(STATES)))
        kind = self.chance.random()
        if depth < MOST_DEEP and kind < 0.12:
            inside = self.scope(self.chance.randint(1, 2), MOST_DEEP, {}, is_closing=True)
            return replace(step, kind="workflow", defaults=(), inside=inside)
        if kind < 0.2:
            inside = self.scope(self.chance.randint(1, 2), MOST_DEEP, {}, is_closing=True)
            return replace(step, kind="graph", inside=inside)
        if kind < 0.28:
            return replace(step, kind="map", items=tuple(self._ends() for _ in range(2)))
        return step

    def _condition(self, visible: dict[str, EndStep], names: list[str], depth: int) -> When | None:
        if not names:
            return None
        readable = [one for one in names if visible[one].kind == "step"]
        kind = self.chance.random()
        if kind < 0.35 and readable:
            key = "nothing" if self.chance.random() < 0.1 else "n"
            operator = self.chance.choice(("==", "!=", "<", ">="))
            return ResultIs(self.chance.choice(readable), operator, self.chance.randint(0, 3), key)
        if kind < 0.5:
            return StateIs(self.chance.choice(names), self.chance.choice(STATES))
        if kind < 0.62:
            return Failed(self._some(names, (1, 2)))
        if kind < 0.74 or not depth:
            return Succeeded(self._some(names, (1, 2)))
        first = self._condition(visible, names, depth - 1)
        second = self._condition(visible, names, depth - 1)
        assert first is not None
        assert second is not None
        return self.chance.choice((Both(first, second), Either(first, second), Negated(first)))

    def _ends(self) -> End:
        return self.chance.choice(BAD) if self.chance.random() < self.trouble else "completed"

    def _flags(self) -> IgnoreFlags:
        if self.chance.random() < 0.6:
            return IgnoreFlags()
        return IgnoreFlags(*[self.chance.random() < 0.5 for _ in range(3)])

    def _some(self, names: list[str], sizes: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(sorted(self.chance.sample(names, min(len(names), self.chance.choice(sizes)))))
