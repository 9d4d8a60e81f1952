"""Compile a workflow: its steps in one list, with names resolved to positions, and checked.

The list begins with the workflow's own steps. Behind them come the children of its first group, then those of the next
one, and so on. So the children of a group lie side by side, a group comes before all that is below it, and nothing here
recurses, however deep groups are nested.
"""

from __future__ import annotations

import functools
from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping, Sequence

import msgspec
from msgspec.structs import replace

from baton.core.argument_checks import faults_of_holes, faults_of_steps
from baton.core.control_checks import faults_of_control
from baton.core.control_specs import written_control
from baton.core.controls import Controls
from baton.core.draft import END, GATE, Draft, DraftMap, Own, bounds_of
from baton.core.expansion import Expansion
from baton.core.fingerprint import WrittenStep, fingerprint
from baton.core.graph import dependents_of, resolve
from baton.core.job import Job, step_spec, written_step
from baton.core.limits import MOST_NESTED
from baton.core.spec import Bounds, Extras, Flags, OuterDependencies, Steps, StepSpec, SubWorkflow, Terms
from baton.core.step_ids import MOST_STEPS
from baton.core.waits import Wait
from baton.errors import InvalidWorkflow
from baton.errors.faults import (
    EmptyGroup,
    EmptyWorkflow,
    EndlessGroup,
    Fault,
    FaultInMap,
    NestedTooDeep,
    TooManySteps,
    UnknownReturn,
)

BUILT_IN = "baton.workflow"
"""The worker of a step that is a workflow itself; every pool knows it."""
MADE_AT_ONCE = 20_000
"""The steps of a larger workflow are made when they are asked for, to bound memory."""


class CompiledGraph:
    """A compiled draft.

    Args:
        is_open: an unknown name stands for a dependency of the step whose worker returned the draft.
        is_template: it may have holes.
        around: the drafts whose maps this one is in.

    Raises: InvalidWorkflow, with every fault.
    """

    def __init__(
        self,
        draft: Draft,
        *,
        is_open: bool = False,
        is_template: bool = False,
        faults: Sequence[Fault] = (),
        around: tuple[Draft, ...] = (),
    ) -> None:
        self._draft = draft
        self._around = around
        self.item_graphs: dict[int, CompiledGraph] = {}
        """Of each map of a workflow the graph that each item becomes."""
        self.steps = [*draft.steps.values(), *draft.own_steps()]
        self.names: list[str] = [step.name for step in self.steps]
        self.children = len(self.steps)
        """How many steps the draft itself has, not counting those in groups."""
        self.parents: dict[int, int] = {}
        self.groups: dict[int, range] = {}
        plain = {name: position for position, name in enumerate(self.names)}
        self.scopes: list[MutableMapping[str, int]] = [plain] * len(self.steps)
        found = [*self._flatten(), *self._compile_maps()]
        self.awaited = [self._names_awaited(position) for position in range(len(self.steps))]
        self.graph = resolve(self.names, self.awaited, self.scopes, self.groups, is_open=is_open)
        self._flags = self._flags_of_entry_steps()
        self.dependents = dependents_of(self._dependencies_stored())
        self.dependents_by_name = dependents_of(self.graph.own) if self.groups else self.dependents
        self.controls = Controls(self)
        found += [
            *self.graph.faults,
            *faults_of_control(self),
            *self._faults_of_returns(),
            *faults_of_steps(self),
            *([] if is_template else faults_of_holes(self)),
            *faults,
        ]
        if found:
            raise InvalidWorkflow(found)

    @property
    def returns(self) -> int | None:
        """Position of the step whose result is the whole's."""
        return None if self._draft.returns is None else self.scopes[0][self._draft.returns]

    @property
    def models(self) -> Mapping[str, str] | None:
        """The draft's own model map."""
        return self._draft.models

    @functools.cached_property
    def bounds(self) -> Bounds | None:
        """What holds for the whole: its bounds, and model maps and budgets of all that is in it; None for nothing."""
        inside = [(self.names[group], self.steps[group].what) for group in self.groups]
        return bounds_of(self._draft, [(name, draft) for name, draft in inside if isinstance(draft, Draft)])

    def specs(self) -> Sequence[StepSpec]:
        """Return the steps as they are handed to the database."""
        steps = Steps(len(self.names), self._spec)
        return tuple(steps) if len(steps) <= MADE_AT_ONCE else steps

    def expansion(self) -> Expansion:
        """Return the graph as it takes the place of a step."""
        return Expansion(tuple(self.specs()), self.children, self.returns, self.bounds)

    def fingerprint(self) -> str:
        written = (
            [place for place, step in enumerate(self.steps) if not isinstance(step.what, Own)]
            if self.controls.are_needed
            else range(len(self.names))
        )
        return fingerprint(map(self._written, written), self._draft.returns, self.bounds)

    def _flatten(self) -> Iterator[Fault]:
        """Append the steps of all groups; yield the faults that prevent it."""
        if not self.steps:
            yield EmptyWorkflow()
        # The list grows during this loop.
        for position, step in enumerate(self.steps):
            if not isinstance(step.what, Draft):
                continue
            if (fault := self._fault_of_group(position, step.what)) is not None:
                yield fault
                continue
            if len(self.steps) > MOST_STEPS:
                yield TooManySteps(len(self.steps), MOST_STEPS)
                return
            self._append_children(position, step.what)

    def _compile_maps(self) -> Iterator[Fault]:
        """Put a job in the place of each workflow that is mapped; yield the faults that prevent it."""
        for position, step in enumerate(self.steps):
            if isinstance(step.what, DraftMap):
                drafts = (*self._around, self._draft)
                try:
                    graph = self._compiled_map(position, step.what, drafts)
                except InvalidWorkflow as error:
                    graph = None
                    yield from [FaultInMap(self.names[position], fault) for fault in error.faults]
                from baton.core.item_worker import job_of_map

                job, reads = job_of_map(step.what, graph)
                self.steps[position] = replace(step, what=job, reads=reads)
                if graph is not None:
                    self.item_graphs[position] = graph

    def _compiled_map(self, position: int, mapped: DraftMap, drafts: tuple[Draft, ...]) -> CompiledGraph:
        if mapped.draft in drafts:
            raise InvalidWorkflow([EndlessGroup(self.names[position])])
        if len(drafts) + len(list(self.around(position))) >= MOST_NESTED:
            raise InvalidWorkflow([NestedTooDeep(self.names[position], MOST_NESTED)])
        return CompiledGraph(mapped.draft, is_open=True, is_template=True, around=drafts)

    def _fault_of_group(self, position: int, draft: Draft) -> Fault | None:
        if not draft.steps:
            return EmptyGroup(self.names[position])
        around = list(self.around(position))
        if draft is self._draft or draft in self._around or any(self.steps[group].what is draft for group in around):
            return EndlessGroup(self.names[position])
        return NestedTooDeep(self.names[position], MOST_NESTED) if len(around) >= MOST_NESTED else None

    def around(self, position: int) -> Iterator[int]:
        """The groups around a step, from the inside."""
        while (parent := self.parents.get(position)) is not None:
            yield parent
            position = parent

    def _append_children(self, group: int, draft: Draft) -> None:
        first = len(self.steps)
        prefix = self.names[group]
        steps = [*draft.steps.values(), *draft.own_steps(self.steps[group])]
        inside = {step.name: first + place for place, step in enumerate(steps)}
        outer = self.scopes[group]
        scope = ChainMap(inside, *(outer.maps if isinstance(outer, ChainMap) else [outer]))
        self.groups[group] = range(first, first + len(steps))
        self.parents.update(dict.fromkeys(inside.values(), group))
        self.names += [f"{prefix}/{step.name}" for step in steps]
        self.steps += steps
        # A gate stands for its group, and knows the names that the group knows.
        self.scopes += [outer if step.name == GATE else scope for step in steps]

    def _names_awaited(self, position: int) -> tuple[str, ...]:
        step, group = self.steps[position], self.parents.get(position)
        names = step.awaited()
        # A gate has the edges of its group, and this one among them.
        if group is None or step.name in (GATE, END) or GATE not in self.scopes[position]:
            return names
        # All that is in a gated group waits for the gate, at any depth: what ignores that a step
        # before it was skipped must not run where the gate let nothing through. What waits for all
        # of these does not have to.
        siblings = self.steps[group].what
        assert isinstance(siblings, Draft)
        is_behind = step.is_closing and any(name in siblings.steps or name == END for name in names)
        return names if is_behind else (*names, GATE)

    @property
    def has_closing(self) -> bool:
        """Whether one of the steps is a closing one."""
        return any(step.is_closing for step in self.steps)

    def closing_siblings(self, end: int) -> list[str]:
        """The names of the closing steps that wait for this `end` step."""
        siblings = self.groups[self.parents[end]] if end in self.parents else range(self.children)
        return [self.names[one] for one in siblings if self.steps[one].closes_all]

    def position_of(self, position: int, name: str) -> int | None:
        """What a name stands for where a step is; None if it is outside this graph."""
        return self.scopes[position].get(name)

    def upstream_of(self, position: int) -> set[int]:
        """All steps that a step waits for, directly or by way of others."""
        found: set[int] = set()
        waiting = list(self.graph.dependencies[position])
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self.graph.dependencies[one]
        return found

    def _flags_of_entry_steps(self) -> dict[int, Flags]:
        """The flags of entry steps, which wait for the dependencies of their group in its place.

        They take the group's flags. An entry step that has dependencies of its own as well unites its flags with them.
        """
        flags: dict[int, Flags] = {}
        for group, children in self.groups.items():
            given = flags.get(group, self.steps[group].flags)
            for child in self.graph.entry_steps.intersection(children):
                has_own = self.graph.own[child] or child in self.graph.outer
                flags[child] = self.steps[child].flags.united(given) if has_own else given
        return flags

    def flags_of(self, position: int) -> Flags:
        return self._flags.get(position, self.steps[position].flags) if self._flags else self.steps[position].flags

    def _dependencies_stored(self) -> Sequence[tuple[int, ...]]:
        """The dependencies that count down `pending` in the database. A group has none: it waits for its children."""
        if not self.groups:
            return self.graph.dependencies
        return [() if position in self.groups else own for position, own in enumerate(self.graph.dependencies)]

    def _faults_of_returns(self) -> Iterator[Fault]:
        drafts = [(None, self._draft), *[(group, self.steps[group].what) for group in self.groups]]
        for group, draft in drafts:
            assert isinstance(draft, Draft)
            if draft.returns is not None and draft.returns not in draft.steps:
                yield UnknownReturn(draft.returns, None if group is None else self.names[group], list(draft.steps))

    def _written(self, position: int) -> WrittenStep:
        step, name = self.steps[position], self.names[position]
        awaited = tuple(sorted(self.awaited[position]))
        control = () if step.control is None else written_control(step.control)
        if isinstance(step.what, Job):
            written = written_step(name, step.what, self.flags_of(position), awaited)
            if position in self.item_graphs:
                control = (*control, ("graph", self.item_graphs[position].fingerprint()))
            return replace(written, options=(*written.options, *control)) if control else written
        if isinstance(step.what, Wait):
            flags = self.flags_of(position).as_tuple()
            return WrittenStep(name, step.what.worker, "{}", (), awaited, flags, (*step.what.written(), *control))
        assert isinstance(step.what, Draft)
        options = () if step.what.returns is None else (("returns", step.what.returns),)
        if (scope := step.what.said_bounds) is not None:
            options = (*options, ("scope", msgspec.to_builtins(scope)))
        flags = self.flags_of(position).as_tuple()
        return WrittenStep(name, BUILT_IN, "{}", (), awaited, flags, (*options, *control))

    def _spec(self, position: int) -> StepSpec:
        match self.steps[position].what:
            case Job() as job:
                spec = self._spec_of_job(position, job)
                if position in self.item_graphs:
                    from baton.core.item_graphs import with_item_graph

                    spec = with_item_graph(spec, self.item_graphs[position].expansion())
            case DraftMap():
                raise AssertionError("a job stands in its place")
            case Draft() as draft:
                spec = self._spec_of_group(position, draft)
            case Wait() as wait:
                spec = self._spec_of_own(position, wait.worker, Extras(awaits=wait.spec))
            case Own(role):
                spec = self._spec_of_own(position, BUILT_IN, Extras(role=role))
        return self.controls.with_control(position, spec) if self.controls.are_needed else spec

    def _spec_of_own(self, position: int, worker: str, extras: Extras) -> StepSpec:
        """Return a step that no pool runs: `worker` only stands in the place of a name."""
        flags = self.flags_of(position)
        return StepSpec(
            name=self.names[position],
            terms=Terms(
                worker=worker,
                queue="default",
                priority=0,
                max_attempts=1,
                ignore_cancelled=flags.ignore_cancelled,
                ignore_discarded=flags.ignore_discarded,
                ignore_skipped=flags.ignore_skipped,
            ),
            args="{}",
            dependencies=self.graph.dependencies[position],
            dependents=tuple(self.dependents[position]),
            parent=self.parents.get(position),
            extras=replace(extras, outer=self._outer(position, set(), set())) if self.graph.outer else extras,
        )

    def _spec_of_group(self, position: int, draft: Draft) -> StepSpec:
        from baton.core.entry_queue import first_queue

        children = self.groups[position]
        returns = None if draft.returns is None else children[list(draft.steps).index(draft.returns)]
        flags, (queue, priority) = self.flags_of(position), first_queue(self, [position])
        return StepSpec(
            name=self.names[position],
            terms=Terms(
                worker=BUILT_IN,
                queue=queue,
                priority=priority,
                max_attempts=1,
                ignore_cancelled=flags.ignore_cancelled,
                ignore_discarded=flags.ignore_discarded,
                ignore_skipped=flags.ignore_skipped,
            ),
            args="{}",
            dependencies=self.graph.dependencies[position],
            dependents=tuple(self.dependents[position]),
            parent=self.parents.get(position),
            extras=Extras(SubWorkflow(children.start, len(children), returns), scope=draft.said_bounds),
        )

    def _spec_of_job(self, position: int, job: Job) -> StepSpec:
        step, each = self.steps[position], job.arguments.each
        placed = step.placed()
        to_children: set[str] = set()
        if each:
            wanted = {reference.step for reference in placed if reference.path[0] in each}
            others = {reference.step for reference in placed if reference.path[0] not in each}
            # A child gets the whole list of its map only if another argument refers to it.
            to_children = others | set(step.deps) if job.worker.takes_context else others
        elif job.worker.takes_context:
            wanted = set(self.awaited[position]).difference((GATE, END))
        else:
            wanted = {reference.step for reference in placed}
        return step_spec(
            self.names[position],
            job,
            self.flags_of(position),
            dependencies=self.graph.dependencies[position],
            dependents=tuple(self.dependents[position]),
            inputs=self.positions(position, wanted),
            child_inputs=self.positions(position, to_children),
            parent=self.parents.get(position),
            outer=self._outer(position, wanted, to_children) if self.graph.outer else None,
        )

    def positions(self, position: int, names: set[str]) -> tuple[int, ...]:
        if not names:
            return ()
        scope: Mapping[str, int] = self.scopes[position]
        return tuple(sorted({scope[name] for name in names if name in scope}))

    def _outer(self, position: int, wanted: set[str], to_children: set[str]) -> OuterDependencies | None:
        if not (names := self._names_outside(position)):
            return None
        # An entry step reads nothing of what it waits for in its group's place: its own scope may
        # have another step under that name.
        own = self.graph.outer.get(position, ())
        inputs = tuple([name for name in own if name in wanted])
        return OuterDependencies(names, inputs, tuple([name for name in own if name in to_children]))

    def _names_outside(self, position: int) -> tuple[str, ...]:
        """The names of the dependencies outside an open draft, an entry step's with those of its groups."""
        names = dict.fromkeys(self.graph.outer.get(position, ()))
        while position in self.graph.entry_steps:
            position = self.parents[position]
            names |= dict.fromkeys(self.graph.outer.get(position, ()))
        return tuple(names)
