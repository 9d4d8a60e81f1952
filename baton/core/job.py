"""Jobs: calls of workers that have not been made yet, and the steps that a workflow makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from msgspec import Struct
from msgspec.structs import replace

from baton.core.arguments import EncodedArguments
from baton.core.fingerprint import WrittenStep, fingerprint, written_options, written_references
from baton.core.holes import Hole, Param
from baton.core.insertable import InsertableJob
from baton.core.names import checked_text, new_workflow_id
from baton.core.options import GivenOptions, JobOptions, check_together, job_options, without_holes
from baton.core.references import to_json
from baton.core.spec import NO_FLAGS, Bounds, Extras, Flags, Map, OuterDependencies, StepSpec, WorkflowSpec
from baton.errors import InvalidWorkflow
from baton.errors.faults import (
    ArgumentNotJSON,
    Fault,
    HoleWithoutValue,
    IgnoredInFixedPlace,
    IgnoredWithoutDefault,
    UnknownDependency,
)

if TYPE_CHECKING:
    from baton.core.worker import AnyWorker

NOTHING_GIVEN: GivenOptions = {}
"""Shared by all jobs without options of their own: a dictionary for each would be an eighth of their memory."""


# A struct and not a dataclass: it is made in a fifth of the time, and an application may make a
# hundred thousand.
class Job(InsertableJob, Struct, frozen=True, eq=False):
    """A worker with its arguments and options, not yet run. Never changes; adding it twice makes two steps."""

    worker: AnyWorker
    arguments: EncodedArguments
    given: GivenOptions
    """The options given to this job. It has its worker's for the others."""

    def with_options(self, **options: Unpack[JobOptions]) -> Job:
        """Return a copy with other options.

        queue: the queue in which the step waits.
        lane: its lane in the queue, such as a tenant. Lanes take turns where the queue has limits for lanes.
        units: how much a start uses of the rates of the queue, such as tokens; 1 unless given.
        priority: 0 is claimed first.
        max_attempts: how many attempts may fail before the step is discarded.
        timeout: bounds each attempt; None for no limit.
        scheduled_at: a time, with its time zone, before which the step does not start.
        schedule_in: the time between the step's release, when all its dependencies are done, and its first start.
        concurrency: how many children of a map, a job with an `each` argument, run at a time, over all worker pools.
            A child that waits for its next attempt keeps its place.
        tolerate: how many children of a map may fail, or what share of them, as in "10%"; with one failure more the map
            fails at once. The children that have not ended are cancelled then; 0 stops at the first failure. Left out,
            all children run, and the map fails in the end if one of them did.
        needs: how many children of a map have to complete; then it is completed, and the others are cancelled as not
            needed. It fails as soon as that many cannot complete any more.
        deadline: the time after the step's release at which it is discarded, whatever it is doing: over all its
            attempts and snoozes, in a paused queue as well. Of a map it is that of each child.
        start_within: the time after the step's release within which it has to start once, else it is discarded.
        backoff: the delay after a failed attempt: the same each time, or `Exponential(...)`. After an attempt whose
            process died the delay is the usual one.

        Durations are seconds or `timedelta`. Raises `InvalidOption`.
        """
        given = {**self.given, **job_options(options)}
        check_together(given, is_map=bool(self.arguments.each))
        return replace(self, given=given)

    @property
    def holes(self) -> tuple[Hole, ...]:
        """The holes in its arguments and its options; the path of an option is ("", its name)."""
        if not self.given:
            return self.arguments.holes
        options = [Hole(("", option), value.name) for option, value in self.given.items() if isinstance(value, Param)]
        return (*self.arguments.holes, *options) if options else self.arguments.holes

    def filled(self, values: Mapping[str, Any]) -> Job:
        """Return the job with these values in its holes, as far as there is one for them.

        Raises `TypeError`, `NotJSON` and `InvalidOption` for a value that could not have been written there.
        """
        options = {
            option: values[value.name]
            for option, value in self.given.items()
            if isinstance(value, Param) and value.name in values
        }
        arguments = self.worker.fill_holes(self.arguments, values)
        job = self if arguments is self.arguments else replace(self, arguments=arguments)
        return job.with_options(**options) if options else job

    def spec(self, workflow_id: str | None = None, scope: Bounds | None = None) -> WorkflowSpec:
        """Return a workflow of this one step, which is named as its worker. Raises `InvalidWorkflow`, `InvalidName`."""
        identity = new_workflow_id() if workflow_id is None else checked_text("workflow", workflow_id)
        name = self.worker.name
        if self.arguments.faults or self.arguments.placed or self.holes:
            unknown = [UnknownDependency(name, reference.step, ()) for reference in self.arguments.placed]
            raise InvalidWorkflow([*unknown, *faults_of(name, self), *open_holes(name, self)])
        written = fingerprint([written_step(name, self, NO_FLAGS, ())])
        step = step_spec(name, self, NO_FLAGS)
        return WorkflowSpec(identity, None, written, debug=False, meta=None, steps=(step,), scope=scope)


def step_spec(
    name: str,
    job: Job,
    flags: Flags,
    *,
    dependencies: tuple[int, ...] = (),
    dependents: tuple[int, ...] = (),
    inputs: tuple[int, ...] = (),
    child_inputs: tuple[int, ...] = (),
    parent: int | None = None,
    outer: OuterDependencies | None = None,
) -> StepSpec:
    """Return a job as a step of a workflow; the positions are those of `StepSpec`, and `child_inputs` that of `Map`."""
    arguments = job.arguments
    placed, kind = arguments.placed, None
    if arguments.each:
        placed = tuple([reference for reference in arguments.placed if reference.path[0] in arguments.each])
        others = tuple([reference for reference in arguments.placed if reference.path[0] not in arguments.each])
        kind = Map(arguments.each, to_json(others), child_inputs)
    return StepSpec(
        name,
        job.worker.terms(without_holes(job.given), flags),
        arguments.args,
        to_json(placed, job.holes),
        dependencies,
        dependents,
        inputs,
        parent,
        None if kind is None and outer is None else Extras(kind, outer),
    )


def written_step(name: str, job: Job, flags: Flags, dependencies: tuple[str, ...]) -> WrittenStep:
    """Return what the fingerprint of a workflow takes of a step; `dependencies` are sorted names."""
    return WrittenStep(
        name,
        job.worker.name,
        job.arguments.args_in_order,
        written_references(job.arguments.placed, job.holes),
        dependencies,
        flags.as_tuple(),
        written_options(job.given),
        job.arguments.each,
    )


def faults_of(step: str, job: Job) -> list[Fault]:
    """Return why a job's arguments cannot be stored, one fault for each argument."""
    return [ArgumentNotJSON(step, fault.path, fault.why) for fault in job.arguments.faults]


def open_holes(step: str, job: Job) -> list[Fault]:
    """Return the holes of a job that have no value, as faults, each name once."""
    return [HoleWithoutValue(step, name) for name in dict.fromkeys([hole.name for hole in job.holes])]


def faults_without_results(name: str, job: Job) -> Iterator[Fault]:
    """Yield why a job cannot run without the results of steps that it ignores, one fault an argument and step."""
    lacking = [placed for placed in job.arguments.placed if placed.default is None and not placed.is_state]
    places = [placed for placed in lacking if not job.worker.may_lack(placed.path)]
    kinds = [IgnoredInFixedPlace if len(placed.path) > 1 else IgnoredWithoutDefault for placed in places]
    yield from dict.fromkeys(
        [kind(name, str(placed.path[0]), placed.step) for kind, placed in zip(kinds, places, strict=True)]
    )
