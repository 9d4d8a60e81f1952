"""Jobs: calls of workers that were not made yet, and what becomes of them in a workflow."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from baton.core.arguments import EncodedArguments
from baton.core.fingerprint import WrittenStep, fingerprint, written_options, written_references
from baton.core.insertable import Insertable
from baton.core.names import new_workflow_id
from baton.core.options import GivenOptions, Seconds, job_options
from baton.core.references import to_json
from baton.core.spec import NO_EDGES, NO_FLAGS, Edges, Flags, MapSpec, StepSpec, WorkflowSpec
from baton.errors import InvalidOption, InvalidWorkflow
from baton.errors.faults import ArgumentNotJSON, Fault, UnknownDependency

if TYPE_CHECKING:
    from baton.core.worker import AnyWorker

NOTHING_GIVEN: GivenOptions = {}
"""What all jobs have that were given no options: one of its own for each would be an eighth of their memory."""


# A struct and no dataclass: made in a fifth of the time, and an application may make a hundred thousand.
class Job(Insertable, Struct, frozen=True, eq=False):
    """A worker with its arguments and options, not yet run. Never changes; adding it twice makes two steps."""

    worker: AnyWorker
    arguments: EncodedArguments
    given: GivenOptions
    """The options given to this job; what is missing here is the worker's."""

    def with_options(
        self,
        *,
        queue: str | UnsetType = UNSET,
        priority: int | UnsetType = UNSET,
        max_attempts: int | UnsetType = UNSET,
        timeout: Seconds | UnsetType | None = UNSET,
        scheduled_at: datetime | UnsetType = UNSET,
        schedule_in: Seconds | UnsetType = UNSET,
        concurrency: int | UnsetType = UNSET,
    ) -> Job:
        """Return a copy with other options.

        `timeout` bounds each attempt, None for no limit. `schedule_in` counts from the release of the step, that is
        when all its dependencies are done; `scheduled_at` is a time before which it does not start. Durations are
        seconds or `timedelta`. `concurrency` says how many children of a map, a job with an `each` argument, run at a
        time, over all worker pools; one that waits for its next attempt keeps its place. Raises `InvalidOption`.
        """
        options = {
            "queue": queue,
            "priority": priority,
            "max_attempts": max_attempts,
            "timeout": timeout,
            "scheduled_at": scheduled_at,
            "schedule_in": schedule_in,
            "concurrency": concurrency,
        }
        if concurrency is not UNSET and not self.arguments.each:
            raise InvalidOption(
                "concurrency", concurrency, "no argument of this job is each(...), so it has no children"
            )
        given = self.given | job_options({name: value for name, value in options.items() if value is not UNSET})
        if "scheduled_at" in given and "schedule_in" in given:
            raise InvalidOption("schedule_in", schedule_in, "the job has scheduled_at as well; give one of the two")
        return replace(self, given=given)

    def spec(self) -> WorkflowSpec:
        """Return a workflow of this one step, which is named as its worker. Raises `InvalidWorkflow`."""
        name = self.worker.name
        if self.arguments.faults or self.arguments.placed:
            unknown = [UnknownDependency(name, reference.step, ()) for reference in self.arguments.placed]
            raise InvalidWorkflow([*unknown, *faults_of(name, self)])
        step = step_spec(name, self, NO_FLAGS, NO_EDGES)
        written = fingerprint([written_step(name, self, NO_FLAGS, ())])
        return WorkflowSpec(new_workflow_id(), None, written, debug=False, meta=None, steps=(step,))


def step_spec(name: str, job: Job, flags: Flags, edges: Edges) -> StepSpec:
    """Return a job as a step of a workflow."""
    arguments = job.arguments
    placed, inherited = arguments.placed, None
    if arguments.each:
        placed = tuple([reference for reference in arguments.placed if reference.path[0] in arguments.each])
        others = tuple([reference for reference in arguments.placed if reference.path[0] not in arguments.each])
        inherited = MapSpec(arguments.each, to_json(others), edges.child_inputs, job.given.get("concurrency"))
    return StepSpec(
        name=name,
        terms=job.worker.terms(job.given, flags),
        args=arguments.args,
        references=to_json(placed),
        dependencies=edges.dependencies,
        dependents=edges.dependents,
        inputs=edges.inputs,
        parent=edges.parent,
        map=inherited,
        outer=edges.outer,
    )


def written_step(name: str, job: Job, flags: Flags, dependencies: tuple[str, ...]) -> WrittenStep:
    """Return what the fingerprint of a workflow takes of a step; `dependencies` are sorted names."""
    return WrittenStep(
        name,
        job.worker.name,
        job.arguments.args_in_order,
        written_references(job.arguments.placed),
        dependencies,
        flags.as_tuple(),
        written_options(job.given),
        job.arguments.each,
    )


def faults_of(step: str, job: Job) -> list[Fault]:
    """Return why a job's arguments cannot be stored; nothing if they can."""
    return [ArgumentNotJSON(step, fault.path, fault.why) for fault in job.arguments.faults]
