"""Workers and jobs: a function registered with `@worker`, and a call of it that was not made yet."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from baton.context import Context
from baton.core import registry
from baton.core.binding import Binding, EncodedArguments
from baton.core.fingerprint import WrittenStep, fingerprint, written_options, written_references
from baton.core.functions import check_function, check_transactional, executor_for, own_name, source_of
from baton.core.names import checked_name, drawn_id
from baton.core.options import GivenOptions, Options, Seconds, job_options, worker_options
from baton.core.portable import portable
from baton.core.references import to_json
from baton.core.retry import Backoff, as_backoff
from baton.core.spec import NO_EDGES, NO_FLAGS, Edges, Flags, MapSpec, StepSpec, Terms, WorkflowSpec
from baton.errors import ArgumentsDoNotFit, InvalidOption, InvalidWorkflow
from baton.faults import ArgumentNotJSON, Fault, UnknownDependency
from baton.run import Run, insert_workflow, limits_here

if TYPE_CHECKING:
    from baton.database.joining import Joinable
    from baton.engine import Engine

GivenBackoff = Seconds | Callable[[int], Seconds] | Backoff | None

CallP = ParamSpec("CallP")
P = ParamSpec("P")
R = TypeVar("R")


class Worker(Generic[CallP, P, R]):
    """A registered function. Called, it is that function; `new` makes a job of it.

    `CallP` are the parameters of the function, `P` those of `new`: the same without a first `Context`.
    """

    function: Callable[CallP, R]
    name: str
    module: str
    qualname: str
    source: str | None
    """The file the function was read from; None if it came from none."""
    options: Options
    backoff: Backoff
    executor: str
    """"async", "thread", "process", or one of the pool's by name."""
    is_transactional: bool

    def __init__(
        self,
        function: Callable[CallP, R],
        name: str,
        options: Options,
        backoff: Backoff,
        executor: str,
        is_transactional: bool = False,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name
        self.module = function.__module__
        self.qualname = function.__qualname__
        self.source = source_of(function)
        self.options = options
        self.backoff = backoff
        self.executor = executor
        self.is_transactional = is_transactional
        self._usual_terms: dict[Flags, Terms] = {}

    def __call__(self, *args: CallP.args, **kwargs: CallP.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<worker {self.name!r}>"

    def new(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Return a job: this worker with these arguments, which are encoded now.

        An argument, or a value in a list, tuple or mapping in one, may be `result_of(...)`. A `Context` is given by
        the pool and is no argument. A value that is not JSON is a fault that the workflow reports.

        Raises `TypeError` if the arguments do not fit the function's parameters or their annotations.
        """
        binding = self._checked_binding
        return Job(self, binding.encode(binding.bind(args, kwargs)), _NOTHING_GIVEN)

    @property
    def takes_context(self) -> bool:
        """Whether one of the function's parameters is a `Context`."""
        return self._binding.injected_name is not None

    def terms(self, given: GivenOptions, flags: Flags) -> Terms:
        """Return the terms of a job that was given these options; without any the same object each time."""
        if given:
            return self._made_terms(given, flags)
        if (usual := self._usual_terms.get(flags)) is None:
            usual = self._usual_terms[flags] = self._made_terms(given, flags)
        return usual

    def _made_terms(self, given: GivenOptions, flags: Flags) -> Terms:
        options = self.options
        return Terms(
            worker=self.name,
            queue=given.get("queue", options.queue),
            priority=given.get("priority", options.priority),
            max_attempts=given.get("max_attempts", options.max_attempts),
            timeout=given.get("timeout", options.timeout),
            scheduled_at=given.get("scheduled_at"),
            schedule_in=given.get("schedule_in"),
            ignore_cancelled=flags.ignore_cancelled,
            ignore_discarded=flags.ignore_discarded,
            ignore_skipped=flags.ignore_skipped,
            takes_context=self.takes_context,
        )

    def bind_json(self, args: str, references: str | None, results: Mapping[str, object]) -> dict[str, Any]:
        """Return the arguments of a stored job by parameter name, typed by the annotations.

        `references` is as in `StepSpec`; `results` are plain JSON values by step name. A parameter that lacks the
        result of one of its references is left out, so that its default applies. Raises `ArgumentsDoNotFit`.
        """
        try:
            binding = self._binding
        except TypeError as error:
            raise ArgumentsDoNotFit(self.name, str(error)) from error
        return binding.decode(args, references, results)

    def call(self, arguments: dict[str, Any], context: Context | None) -> Any:
        """Call the function with what `bind_json` returned, and return what it returns (a coroutine if it is async)."""
        return self._binding.call(arguments, context)

    def encode_result(self, value: object) -> str:
        """Return a result as JSON text. Raises `ResultNotJSON`."""
        return self._binding.encode_result(value)

    def decode_result(self, text: str) -> Any:
        """Return a result typed by the return annotation, without the control types in it.

        A result that does not fit the annotation comes back as plain JSON, as it was returned.
        """
        return self._binding.decode_result(text)

    @property
    def provided(self) -> Mapping[str, Any]:
        """The types of what the pool provides it with, by parameter name."""
        return self._binding.provided

    @property
    def result_type(self) -> Any:
        """What the return annotation says of results; `Any` if it says nothing."""
        return self._binding.result_type

    def parameter_type(self, parameter: str) -> Any:
        """What the annotation of a parameter says; `Any` if it says nothing."""
        return self._binding.parameter_type(parameter)

    def has_default(self, parameter: str) -> bool:
        """Tell whether the function can be called without this argument."""
        return self._binding.has_default(parameter)

    # Annotations are read at the first use, because they may name classes that are defined after the function.
    @functools.cached_property
    def _binding(self) -> Binding:
        binding = Binding(self.name, self.function, Context)
        if binding.provided and self.executor not in ("async", "thread"):
            raise TypeError(
                f"{self.name}: {min(binding.provided)!r} is provided by the pool, and does not cross to executor "
                f"{self.executor!r}; make it in the worker, or leave out executor="
            )
        return binding

    @functools.cached_property
    def _checked_binding(self) -> Binding:
        self._binding.check_annotations()
        if self.is_transactional and not self.takes_context:
            raise TypeError(
                f"worker {self.name!r} is transactional and takes no Context, so it could not reach its connection: "
                f"annotate a parameter, as in ctx: Context, or leave out transactional=True"
            )
        return self._binding


AnyWorker = Worker[..., ..., Any]
_NOTHING_GIVEN: GivenOptions = {}
"""What all jobs have that were given no options: one of its own for each would be an eighth of their memory."""


# A struct and no dataclass: made in a fifth of the time, and an application may make a hundred thousand.
class Job(Struct, frozen=True, eq=False):
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
        return WorkflowSpec(drawn_id(), None, written, debug=False, meta=None, steps=(step,))

    def to_json(self) -> str:
        """Return a workflow of this one step as JSON text; see `Baton.to_json`. Raises `InvalidWorkflow`."""
        return portable(self.spec(), limits_here())

    async def insert(self, using: Engine | Joinable | None = None) -> Run:
        """Insert a workflow of this one step and return its run; `using` is as in `Baton.insert`.

        Raises `InvalidWorkflow`.
        """
        return await insert_workflow(self.spec(), using)


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
        outward=edges.outward,
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


@dataclass(frozen=True, slots=True)
class Decorator:
    """What `@worker(...)` returns: it makes a worker of a function."""

    name: str | None
    options: Options
    backoff: Backoff
    executor: str | None
    is_transactional: bool

    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> Worker[Concatenate[Context, P], P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Worker[P, P, R]: ...
    def __call__(self, function: Any, /) -> AnyWorker:
        check_function(function)
        name = checked_name("worker", own_name(function) if self.name is None else self.name)
        executor = executor_for(function, self.executor)
        if self.is_transactional:
            check_transactional(function, executor)
        made: AnyWorker = Worker(function, name, self.options, self.backoff, executor, self.is_transactional)
        registry.add(made)
        return made


@overload
def worker(function: Callable[Concatenate[Context, P], R], /) -> Worker[Concatenate[Context, P], P, R]: ...
@overload
def worker(function: Callable[P, R], /) -> Worker[P, P, R]: ...
@overload
def worker(
    *,
    name: str | None = None,
    queue: str = "default",
    priority: int = 0,
    max_attempts: int = 20,
    timeout: Seconds | None = None,
    backoff: GivenBackoff = None,
    executor: str | None = None,
    transactional: bool = False,
) -> Decorator: ...
def worker(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    queue: str = "default",
    priority: int = 0,
    max_attempts: int = 20,
    timeout: Seconds | None = None,
    backoff: GivenBackoff = None,
    executor: str | None = None,
    transactional: bool = False,
) -> Any:
    """Register a function as a worker, under its own name unless another is given.

    `queue`, `priority` (0 is claimed first), `max_attempts` and `timeout` (of one attempt; seconds or `timedelta`, None
    for no limit) hold for each job unless it is given others. `backoff` is the delay after a failed attempt: seconds,
    a function of the attempt, or a policy with a method `delay(attempt)`; left out, 2 to the power of the attempt in
    seconds, with jitter, at most an hour. `executor` says where it runs: "async" for async functions, "thread" (the
    default for others), "process", or an executor of `WorkerPool(executors=...)` by its name.

    `transactional`: each attempt runs in a transaction, `ctx.connection`, in which its outcome is settled as well; what
    it writes there, its result and the release of its dependents commit together or not at all.

    Raises `InvalidOption`, `InvalidName`, `DuplicateWorker`, and `TypeError` for what is not a plain function.
    """
    options = worker_options(queue, priority, max_attempts, timeout)
    decorator = Decorator(name, options, as_backoff(backoff), executor, transactional)
    return decorator if function is None else decorator(function)
