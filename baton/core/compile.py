"""A workflow laid out as one row of steps: first its own, behind them the children of its first group, and so on.

So the children of each group lie side by side, a group comes before all that is below it, and neither nesting nor size
is met with recursion.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from types import GenericAlias
from typing import Any

from msgspec import Struct

from baton.core.compatibility import can_fit, written
from baton.core.fingerprint import WrittenStep, fingerprint
from baton.core.graph import Family, dependents_of, resolve
from baton.core.job import Job, faults_of, step_spec, written_step
from baton.core.limits import MOST_NESTED, MOST_STEPS
from baton.core.references import Placed
from baton.core.spec import Edges, FamilySpec, Flags, OuterSpec, Steps, StepSpec, Terms
from baton.errors import InvalidWorkflow
from baton.errors.faults import (
    EachOfNoList,
    EmptyGroup,
    EmptyWorkflow,
    EndlessGroup,
    Fault,
    IgnoredInFixedPlace,
    IgnoredWithoutDefault,
    NestedTooDeep,
    TooManySteps,
    TypesDoNotFit,
    UnknownReturn,
)

BUILT_IN = "baton.core.workflow"
"""The worker of a step that is a workflow itself; every pool knows it."""
MADE_AT_ONCE = 20_000
"""A larger workflow is made in parts, as they are asked for."""


@dataclass(slots=True)
class Draft:
    """What a `Baton` holds while it is being built."""

    steps: dict[str, Added] = field(default_factory=dict)
    returns: str | None = None


# A struct and no dataclass: made in a fifth of the time.
class Added(Struct, frozen=True):
    """A step as it was added."""

    name: str
    what: Job | Draft
    deps: tuple[str, ...]
    """As declared, normalised and distinct."""
    flags: Flags

    def placed(self) -> tuple[Placed, ...]:
        return self.what.arguments.placed if isinstance(self.what, Job) else ()

    def awaited(self) -> tuple[str, ...]:
        """The names of all it waits for, declared or referred to."""
        if not (placed := self.placed()):
            return self.deps
        return tuple(dict.fromkeys([*self.deps, *[reference.step for reference in placed]]))


class CompiledGraph:
    """A draft, laid out and checked.

    Args:
        is_open: names that are unknown stand for dependencies of the step that takes the draft's place.

    Raises: InvalidWorkflow, with every fault.
    """

    def __init__(self, draft: Draft, *, is_open: bool = False, faults: Sequence[Fault] = ()) -> None:
        self.names: list[str] = list(draft.steps)
        self._draft = draft
        self._steps = list(draft.steps.values())
        self._parents: dict[int, int] = {}
        self._families: dict[int, Family] = {}
        plain = {name: position for position, name in enumerate(self.names)}
        self._scopes: list[MutableMapping[str, int]] = [plain] * len(self._steps)
        found = list(self._lay_out())
        self._awaited = [step.awaited() for step in self._steps]
        self.graph = resolve(
            self.names,
            self._awaited,
            self._scopes,
            list(self._families.values()),
            is_open=is_open,
        )
        self._flags = self._flags_of_entry_steps()
        found += [*self.graph.faults, *self._faults_of_returns(), *self._faults_of_steps(), *faults]
        if found:
            raise InvalidWorkflow(found)
        self._dependents = dependents_of(self._waiting())

    @property
    def children(self) -> int:
        """How many steps are the draft's own."""
        return len(self._draft.steps)

    @property
    def returns(self) -> int | None:
        """Position of the step whose result is the whole's."""
        return None if self._draft.returns is None else self._scopes[0][self._draft.returns]

    def specs(self) -> Sequence[StepSpec]:
        """Return the steps as they are handed to the database."""
        steps = Steps(len(self.names), self._spec)
        return tuple(steps) if len(steps) <= MADE_AT_ONCE else steps

    def fingerprint(self) -> str:
        return fingerprint(map(self._written, range(len(self.names))), self._draft.returns)

    def _lay_out(self) -> Iterator[Fault]:
        if not self._steps:
            yield EmptyWorkflow()
        # The row grows while it is walked along.
        for position, step in enumerate(self._steps):
            if isinstance(step.what, Job):
                continue
            if (fault := self._fault_of_group(position, step.what)) is not None:
                yield fault
                continue
            if len(self._steps) > MOST_STEPS:
                yield TooManySteps(len(self._steps), MOST_STEPS)
                return
            self._append_children(position, step.what)

    def _fault_of_group(self, position: int, draft: Draft) -> Fault | None:
        if not draft.steps:
            return EmptyGroup(self.names[position])
        around = list(self._around(position))
        if draft is self._draft or any(self._steps[group].what is draft for group in around):
            return EndlessGroup(self.names[position])
        return NestedTooDeep(self.names[position], MOST_NESTED) if len(around) >= MOST_NESTED else None

    def _around(self, position: int) -> Iterator[int]:
        """The groups around a step, from the inside."""
        while (parent := self._parents.get(position)) is not None:
            yield parent
            position = parent

    def _append_children(self, group: int, draft: Draft) -> None:
        first = len(self._steps)
        prefix = self.names[group]
        inside = {name: first + place for place, name in enumerate(draft.steps)}
        outer = self._scopes[group]
        scope = ChainMap(inside, *(outer.maps if isinstance(outer, ChainMap) else [outer]))
        self._families[group] = Family(group, first, len(draft.steps))
        self._parents.update(dict.fromkeys(inside.values(), group))
        self.names += [f"{prefix}/{name}" for name in draft.steps]
        self._steps += draft.steps.values()
        self._scopes += [scope] * len(draft.steps)

    def _flags_of_entry_steps(self) -> dict[int, Flags]:
        """The flags of the first steps of groups, which wait in their group's place.

        They take the group's flags; one that waits for steps outside by itself keeps its own beside them.
        """
        flags: dict[int, Flags] = {}
        for group, family in self._families.items():
            given = flags.get(group, self._steps[group].flags)
            for child in range(family.first, family.first + family.count):
                if child in self.graph.entry_steps:
                    is_bound = self.graph.own[child] or child in self.graph.outer
                    flags[child] = self._steps[child].flags.joined(given) if is_bound else given
        return flags

    def _flags_of(self, position: int) -> Flags:
        return self._flags.get(position, self._steps[position].flags) if self._flags else self._steps[position].flags

    def _waiting(self) -> Sequence[tuple[int, ...]]:
        """What each step waits for in the database, where a group that is inserted waits for its children alone."""
        if not self._families:
            return self.graph.dependencies
        return [
            () if position in self._families else awaited for position, awaited in enumerate(self.graph.dependencies)
        ]

    def _faults_of_returns(self) -> Iterator[Fault]:
        drafts = [(None, self._draft), *[(group, self._steps[group].what) for group in self._families]]
        for group, draft in drafts:
            assert isinstance(draft, Draft)
            if draft.returns is not None and draft.returns not in draft.steps:
                yield UnknownReturn(draft.returns, None if group is None else self.names[group], list(draft.steps))

    def _faults_of_steps(self) -> Iterator[Fault]:
        for position, step in enumerate(self._steps):
            if isinstance(step.what, Job) and (step.what.arguments.faults or step.what.arguments.placed):
                name, arguments = self.names[position], step.what.arguments
                yield from faults_of(name, step.what)
                if any(self._flags_of(position).as_tuple()):
                    places = [placed for placed in arguments.placed if not step.what.worker.may_lack(placed.path)]
                    kinds = [
                        IgnoredInFixedPlace if len(placed.path) > 1 else IgnoredWithoutDefault for placed in places
                    ]
                    # One fault for all places of a result in one argument.
                    yield from dict.fromkeys(
                        [
                            kind(name, str(placed.path[0]), placed.step)
                            for kind, placed in zip(kinds, places, strict=True)
                        ]
                    )
                for placed in arguments.placed:
                    yield from self._misfits(position, step.what, placed)

    def _misfits(self, position: int, job: Job, placed: Placed) -> Iterator[Fault]:
        dependency = self._scopes[position].get(placed.step)
        parameter = str(placed.path[0])
        if dependency is None or len(placed.path) > 1:
            return
        name, is_item = self.names[position], parameter in job.arguments.each
        given, wanted = self._result_type(dependency), job.worker.parameter_type(parameter)
        if is_item and not can_fit(given, list):
            yield EachOfNoList(name, placed.step, written(given))
        elif not can_fit(given, GenericAlias(list, (wanted,)) if is_item else wanted):
            shown = given.__args__[0] if is_item else given
            yield TypesDoNotFit(name, parameter, placed.step, written(shown), written(wanted), is_item=is_item)

    def _result_type(self, position: int) -> Any:
        what = self._steps[position].what
        while isinstance(what, Draft):
            # A group's result is that of the step it returns, or of its only last one.
            family = self._families.get(position)
            returned = None if family is None else self._returned(family, what)
            if returned is None:
                return Any
            position, what = returned, self._steps[returned].what
        kind = what.worker.result_type
        return GenericAlias(list, (kind,)) if what.arguments.each else kind

    def _returned(self, family: Family, draft: Draft) -> int | None:
        children = range(family.first, family.first + family.count)
        if draft.returns is not None:
            return next((child for child in children if self._steps[child].name == draft.returns), None)
        awaited = {before for child in self._below(family) for before in self.graph.dependencies[child]}
        lasts = [child for child in children if child not in awaited]
        return lasts[0] if len(lasts) == 1 else None

    def _below(self, family: Family) -> Iterator[int]:
        """The steps below a group, however deep."""
        families = [family]
        for one in families:
            for child in range(one.first, one.first + one.count):
                yield child
                if (inner := self._families.get(child)) is not None:
                    families.append(inner)

    def _written(self, position: int) -> WrittenStep:
        step, name = self._steps[position], self.names[position]
        awaited = tuple(sorted(self._awaited[position]))
        if isinstance(step.what, Job):
            return written_step(name, step.what, self._flags_of(position), awaited)
        options = () if step.what.returns is None else (("returns", step.what.returns),)
        return WrittenStep(name, BUILT_IN, "{}", (), awaited, self._flags_of(position).as_tuple(), options)

    def _spec(self, position: int) -> StepSpec:
        what, name = self._steps[position].what, self.names[position]
        if isinstance(what, Job):
            return step_spec(name, what, self._flags_of(position), self._edges(position, what))
        family = self._families[position]
        first = self._first_job(position)
        flags = self._flags_of(position)
        inside = {self._steps[child].name: child for child in range(family.first, family.first + family.count)}
        return StepSpec(
            name=name,
            terms=Terms(
                worker=BUILT_IN,
                queue=first.given.get("queue", first.worker.options.queue),
                priority=first.given.get("priority", first.worker.options.priority),
                max_attempts=1,
                ignore_cancelled=flags.ignore_cancelled,
                ignore_discarded=flags.ignore_discarded,
                ignore_skipped=flags.ignore_skipped,
            ),
            args="{}",
            references=None,
            dependencies=self.graph.dependencies[position],
            dependents=tuple(self._dependents[position]),
            parent=self._parents.get(position),
            family=FamilySpec(family.first, family.count, None if what.returns is None else inside[what.returns]),
        )

    def _first_job(self, position: int) -> Job:
        """A sub-workflow waits in its first step's queue."""
        what = self._steps[position].what
        while isinstance(what, Draft):
            position = self._families[position].first
            what = self._steps[position].what
        return what

    def _edges(self, position: int, job: Job) -> Edges:
        step, each = self._steps[position], job.arguments.each
        placed = step.placed()
        to_children: set[str] = set()
        if each:
            wanted = {reference.step for reference in placed if reference.path[0] in each}
            others = {reference.step for reference in placed if reference.path[0] not in each}
            # What a map takes apart goes to no child as a whole, unless it is asked for.
            to_children = others | set(step.deps) if job.worker.takes_context else others
        elif job.worker.takes_context:
            wanted = set(self._awaited[position])
        else:
            wanted = {reference.step for reference in placed}
        return Edges(
            self.graph.dependencies[position],
            tuple(self._dependents[position]),
            self._positions(position, wanted),
            self._positions(position, to_children),
            self._parents.get(position),
            self._outer(position, wanted, to_children),
        )

    def _positions(self, position: int, names: set[str]) -> tuple[int, ...]:
        if not names:
            return ()
        scope: Mapping[str, int] = self._scopes[position]
        return tuple(sorted({scope[name] for name in names if name in scope}))

    def _outside(self, position: int) -> tuple[str, ...]:
        """The names of all that a step waits for outside an open draft, by itself and in the place of its groups."""
        names = dict.fromkeys(self.graph.outer.get(position, ()))
        while position in self.graph.entry_steps:
            position = self._parents[position]
            names |= dict.fromkeys(self.graph.outer.get(position, ()))
        return tuple(names)

    def _outer(self, position: int, wanted: set[str], to_children: set[str]) -> OuterSpec | None:
        outside = self._outside(position) if self.graph.outer else ()
        if not outside:
            return None
        # What it waits for in the place of its groups it does not read: there the same name may stand for another step.
        own = self.graph.outer.get(position, ())
        return OuterSpec(
            outside,
            tuple([name for name in own if name in wanted]),
            tuple([name for name in own if name in to_children]),
        )
