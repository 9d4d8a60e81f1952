"""Compile a workflow: its steps in one list, with names resolved to positions, and checked.

The list begins with the workflow's own steps. Behind them come the children of its first group, then those of the next
one, and so on. So the children of a group lie side by side, a group comes before all that is below it, and nothing here
recurses, however deep groups are nested.
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
from baton.core.graph import dependents_of, resolve
from baton.core.job import Job, faults_of, step_spec, written_step
from baton.core.limits import MOST_NESTED
from baton.core.references import Placed
from baton.core.spec import Extras, Flags, OuterDependencies, Steps, StepSpec, SubWorkflow, Terms
from baton.core.step_ids import MOST_STEPS
from baton.errors import InvalidWorkflow
from baton.errors.faults import (
    EachOfNoList,
    EmptyGroup,
    EmptyWorkflow,
    EndlessGroup,
    Fault,
    IgnoredWithoutDefault,
    NestedTooDeep,
    TooManySteps,
    TypesDoNotFit,
    UnknownReturn,
)

BUILT_IN = "baton.workflow"
"""The worker of a step that is a workflow itself; every pool knows it."""
MADE_AT_ONCE = 20_000
"""The steps of a larger workflow are made when they are asked for, to bound memory."""


@dataclass(slots=True)
class Draft:
    """What a `Baton` holds while it is being built."""

    steps: dict[str, Added] = field(default_factory=dict)
    returns: str | None = None


# A struct and not a dataclass: it is made in a fifth of the time.
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
        """The names of all its dependencies, declared in `deps` or referred to in arguments."""
        if not (placed := self.placed()):
            return self.deps
        return tuple(dict.fromkeys([*self.deps, *[reference.step for reference in placed]]))


class CompiledGraph:
    """A compiled draft.

    Args:
        is_open: an unknown name stands for a dependency of the step whose worker returned the draft.

    Raises: InvalidWorkflow, with every fault.
    """

    def __init__(self, draft: Draft, *, is_open: bool = False, faults: Sequence[Fault] = ()) -> None:
        self.names: list[str] = list(draft.steps)
        self._draft = draft
        self._steps = list(draft.steps.values())
        self._parents: dict[int, int] = {}
        self._groups: dict[int, range] = {}
        plain = {name: position for position, name in enumerate(self.names)}
        self._scopes: list[MutableMapping[str, int]] = [plain] * len(self._steps)
        found = list(self._flatten())
        self._awaited = [step.awaited() for step in self._steps]
        self.graph = resolve(self.names, self._awaited, self._scopes, self._groups, is_open=is_open)
        self._flags = self._flags_of_entry_steps()
        found += [*self.graph.faults, *self._faults_of_returns(), *self._faults_of_steps(), *faults]
        if found:
            raise InvalidWorkflow(found)
        self._dependents = dependents_of(self._dependencies_stored())

    @property
    def children(self) -> int:
        """How many steps the draft itself has, not counting those in groups."""
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

    def _flatten(self) -> Iterator[Fault]:
        """Append the steps of all groups; yield the faults that prevent it."""
        if not self._steps:
            yield EmptyWorkflow()
        # The list grows during this loop.
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
        self._groups[group] = range(first, first + len(draft.steps))
        self._parents.update(dict.fromkeys(inside.values(), group))
        self.names += [f"{prefix}/{name}" for name in draft.steps]
        self._steps += draft.steps.values()
        self._scopes += [scope] * len(draft.steps)

    def _flags_of_entry_steps(self) -> dict[int, Flags]:
        """The flags of entry steps, which wait for the dependencies of their group in its place.

        They take the group's flags. An entry step that has dependencies of its own as well unites its flags with them.
        """
        flags: dict[int, Flags] = {}
        for group, children in self._groups.items():
            given = flags.get(group, self._steps[group].flags)
            for child in self.graph.entry_steps.intersection(children):
                has_own = self.graph.own[child] or child in self.graph.outer
                flags[child] = self._steps[child].flags.united(given) if has_own else given
        return flags

    def _flags_of(self, position: int) -> Flags:
        return self._flags.get(position, self._steps[position].flags) if self._flags else self._steps[position].flags

    def _dependencies_stored(self) -> Sequence[tuple[int, ...]]:
        """The dependencies that count down `pending` in the database. A group has none: it waits for its children."""
        if not self._groups:
            return self.graph.dependencies
        return [() if position in self._groups else own for position, own in enumerate(self.graph.dependencies)]

    def _faults_of_returns(self) -> Iterator[Fault]:
        drafts = [(None, self._draft), *[(group, self._steps[group].what) for group in self._groups]]
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
                    lacking = {(str(placed.path[0]), placed.step): None for placed in arguments.placed}
                    for parameter, dependency in lacking:
                        if not step.what.worker.has_default(parameter):
                            yield IgnoredWithoutDefault(name, parameter, dependency)
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
            children = self._groups.get(position)
            returned = None if children is None else self._returned(children, what)
            if returned is None:
                return Any
            position, what = returned, self._steps[returned].what
        kind = what.worker.result_type
        return GenericAlias(list, (kind,)) if what.arguments.each else kind

    def _returned(self, children: range, draft: Draft) -> int | None:
        if draft.returns is not None:
            return next((child for child in children if self._steps[child].name == draft.returns), None)
        awaited = {dependency for step in self._below(children) for dependency in self.graph.dependencies[step]}
        lasts = [child for child in children if child not in awaited]
        return lasts[0] if len(lasts) == 1 else None

    def _below(self, children: range) -> Iterator[int]:
        """These children and all steps below them."""
        groups = [children]
        for group in groups:
            yield from group
            groups += [self._groups[child] for child in group if child in self._groups]

    def _written(self, position: int) -> WrittenStep:
        step, name = self._steps[position], self.names[position]
        awaited = tuple(sorted(self._awaited[position]))
        if isinstance(step.what, Job):
            return written_step(name, step.what, self._flags_of(position), awaited)
        options = () if step.what.returns is None else (("returns", step.what.returns),)
        return WrittenStep(name, BUILT_IN, "{}", (), awaited, self._flags_of(position).as_tuple(), options)

    def _spec(self, position: int) -> StepSpec:
        what = self._steps[position].what
        return self._spec_of_job(position, what) if isinstance(what, Job) else self._spec_of_group(position, what)

    def _spec_of_group(self, position: int, draft: Draft) -> StepSpec:
        children = self._groups[position]
        returns = None if draft.returns is None else children[list(draft.steps).index(draft.returns)]
        flags, entry = self._flags_of(position), self._first_job(position)
        return StepSpec(
            name=self.names[position],
            terms=Terms(
                worker=BUILT_IN,
                queue=entry.given.get("queue", entry.worker.options.queue),
                priority=entry.given.get("priority", entry.worker.options.priority),
                max_attempts=1,
                ignore_cancelled=flags.ignore_cancelled,
                ignore_discarded=flags.ignore_discarded,
                ignore_skipped=flags.ignore_skipped,
            ),
            args="{}",
            dependencies=self.graph.dependencies[position],
            dependents=tuple(self._dependents[position]),
            parent=self._parents.get(position),
            extras=Extras(SubWorkflow(children.start, len(children), returns)),
        )

    def _first_job(self, position: int) -> Job:
        """The first job in a group; a group waits in its queue."""
        what = self._steps[position].what
        while isinstance(what, Draft):
            position = self._groups[position].start
            what = self._steps[position].what
        return what

    def _spec_of_job(self, position: int, job: Job) -> StepSpec:
        step, each = self._steps[position], job.arguments.each
        placed = step.placed()
        to_children: set[str] = set()
        if each:
            wanted = {reference.step for reference in placed if reference.path[0] in each}
            others = {reference.step for reference in placed if reference.path[0] not in each}
            # A child gets the whole of a list that its map takes apart only if another argument refers to it.
            to_children = others | set(step.deps) if job.worker.takes_context else others
        elif job.worker.takes_context:
            wanted = set(self._awaited[position])
        else:
            wanted = {reference.step for reference in placed}
        return step_spec(
            self.names[position],
            job,
            self._flags_of(position),
            dependencies=self.graph.dependencies[position],
            dependents=tuple(self._dependents[position]),
            inputs=self._positions(position, wanted),
            child_inputs=self._positions(position, to_children),
            parent=self._parents.get(position),
            outer=self._outer(position, wanted, to_children) if self.graph.outer else None,
        )

    def _positions(self, position: int, names: set[str]) -> tuple[int, ...]:
        if not names:
            return ()
        scope: Mapping[str, int] = self._scopes[position]
        return tuple(sorted({scope[name] for name in names if name in scope}))

    def _outer(self, position: int, wanted: set[str], to_children: set[str]) -> OuterDependencies | None:
        if not (names := self._names_outside(position)):
            return None
        # An entry step reads nothing of what it waits for in its group's place: its own scope may have another step
        # under that name.
        own = self.graph.outer.get(position, ())
        inputs = tuple([name for name in own if name in wanted])
        return OuterDependencies(names, inputs, tuple([name for name in own if name in to_children]))

    def _names_outside(self, position: int) -> tuple[str, ...]:
        """The names of the dependencies outside an open draft, an entry step's with those of its groups."""
        names = dict.fromkeys(self.graph.outer.get(position, ()))
        while position in self.graph.entry_steps:
            position = self._parents[position]
            names |= dict.fromkeys(self.graph.outer.get(position, ()))
        return tuple(names)
