"""Workers: functions registered with `@worker`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from msgspec.structs import asdict

from baton.core import registry
from baton.core.arguments import EncodedArguments, Parameters
from baton.core.context import Context
from baton.core.durations import Seconds
from baton.core.functions import check_function, check_transactional, executor_for, fatal_types, own_name
from baton.core.job import NOTHING_GIVEN, Job
from baton.core.keywords import suggests_keywords
from baton.core.names import checked_name
from baton.core.options import GivenOptions, Options, worker_options
from baton.core.origin import Origin, origin_of
from baton.core.places import Path
from baton.core.results import ResultType
from baton.core.retry import Backoff, as_backoff
from baton.core.spec import Flags, Terms
from baton.errors import ArgumentsDoNotFit

GivenBackoff = Seconds | Callable[[int], Seconds] | Backoff | None

CallP = ParamSpec("CallP")
P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Worker(Generic[CallP, P, R_co]):
    """A registered function. Called, it is that function; `new` makes a job of it.

    `CallP` are the parameters of the function, `P` those of `new`: the same without a first `Context`.
    """

    function: Callable[CallP, R_co]
    name: str
    module: str
    """The module that registers it, when another process imports that."""
    origin: Origin
    options: Options
    backoff: Backoff
    executor: str
    """"async", "thread", "process", or one of the pool's by name."""
    is_transactional: bool
    fatal: tuple[type[BaseException], ...]
    """Errors of these types discard the step at once."""

    def __init__(
        self,
        function: Callable[CallP, R_co],
        name: str,
        options: Options,
        backoff: Backoff,
        executor: str,
        is_transactional: bool = False,
        module: str | None = None,
        fatal: tuple[type[BaseException], ...] = (),
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name
        self.module = function.__module__ if module is None else module
        self.origin = origin_of(function)
        self.options = options
        self.backoff = backoff
        self.executor = executor
        self.is_transactional = is_transactional
        self.fatal = fatal
        self._usual_terms: dict[Flags, Terms] = {}

    def under_name(self, name: str, module: str) -> Worker[CallP, P, R_co]:
        """Return the same worker under another name, which `module` registers."""
        return Worker(
            self.function, name, self.options, self.backoff, self.executor, self.is_transactional, module, self.fatal
        )

    def __call__(self, *args: CallP.args, **kwargs: CallP.kwargs) -> R_co:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<worker {self.name!r}>"

    def new(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Return a job: this worker with these arguments, which are encoded now.

        An argument, or a value in a list, tuple or mapping in one, may be `result_of(...)`. The pool passes a `Context`
        itself, so it is not an argument here. A value that would not come back from JSON as it is, is a fault that the
        workflow reports.

        Raises `TypeError` if the arguments do not fit the function's parameters or their annotations.
        """
        parameters = self._checked_parameters
        return Job(self, parameters.encode(parameters.signature.bind(args, kwargs)), NOTHING_GIVEN)

    def read(self, arguments: Mapping[str, Any]) -> EncodedArguments:
        """Return a call whose arguments are JSON values, and stand-ins for others. Raises `TypeError`."""
        from baton.core.json_arguments import read_arguments

        return read_arguments(self.name, arguments, self._checked_parameters.types)

    def fill_holes(self, arguments: EncodedArguments, values: Mapping[str, Any]) -> EncodedArguments:
        """Return a call with these values in its holes. Raises `TypeError` and `NotJSON`."""
        if not arguments.holes:
            return arguments
        from baton.core.json_arguments import fill_holes

        return fill_holes(self.name, arguments, values, self._checked_parameters.types)

    @property
    def takes_context(self) -> bool:
        """Whether one of the function's parameters is a `Context`."""
        return self._parameters.signature.injected_name is not None

    def terms(self, given: GivenOptions, flags: Flags) -> Terms:
        """Return the terms of a job that was given these options; without any the same object each time."""
        if given:
            return self._made_terms(given, flags)
        if (usual := self._usual_terms.get(flags)) is None:
            usual = self._usual_terms[flags] = self._made_terms(given, flags)
        return usual

    def _made_terms(self, given: GivenOptions, flags: Flags) -> Terms:
        return Terms(
            worker=self.name,
            ignore_cancelled=flags.ignore_cancelled,
            ignore_discarded=flags.ignore_discarded,
            ignore_skipped=flags.ignore_skipped,
            takes_context=self.takes_context,
            **{**asdict(self.options), **given},
        )

    def bind_json(
        self,
        args: str,
        references: str | None,
        results: Mapping[str, object],
        states: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the arguments of a stored job by parameter name, typed by the annotations.

        `references` is as in `StepSpec`; `results` are plain JSON values by step name. A parameter that lacks the
        result of one of its references is left out, so that its default applies. Raises `ArgumentsDoNotFit`.
        """
        try:
            parameters = self._parameters
        except TypeError as error:
            raise ArgumentsDoNotFit(self.name, str(error)) from error
        return parameters.decode(args, references, results, states)

    def check_round(self, args: str) -> None:
        """Check the arguments of another round, as JSON by name. Raises `TypeError` if they do not fit."""
        self._parameters.check_named(args)

    def call(self, arguments: dict[str, Any], context: Context | None) -> Any:
        """Call the function with what `bind_json` returned, and return what it returns (a coroutine if it is async)."""
        return self._parameters.signature.call(arguments, context)

    def encode_result(self, value: object) -> str:
        """Return a result as JSON text. Raises `ResultNotJSON`."""
        return self._result.encode(value)

    def decode_result(self, text: str) -> Any:
        """Return a result typed by the return annotation, without the control types in it.

        A result that does not fit the annotation comes back as plain JSON, as it was returned.
        """
        return self._result.decode(text)

    @property
    def provided(self) -> Mapping[str, Any]:
        """The types of what the pool provides it with, by parameter name."""
        return self._parameters.signature.provided

    @property
    def result_type(self) -> Any:
        """What the return annotation says of results; `Any` if it says nothing."""
        return self._result.kind

    def parameter_type(self, parameter: str) -> Any:
        """What the annotation of a parameter says; `Any` if it says nothing."""
        return self._parameters.types.kind(parameter)

    def may_lack(self, path: Path) -> bool:
        """Return whether the function can be called without what stands at a path in its arguments.

        That is so for an argument with a default, for items of a list, and for keys of a mapping.
        """
        return self._parameters.types.may_be_left_out(path)

    # Annotations are read at the first use, because they may name classes that are defined after
    # the function.
    @functools.cached_property
    def _parameters(self) -> Parameters:
        parameters = Parameters(self.name, self.function, Context)
        if (provided := parameters.signature.provided) and self.executor not in ("async", "thread"):
            raise TypeError(
                f"{self.name}: {min(provided)!r} is provided by the pool, and does not cross to executor "
                f"{self.executor!r}; make it in the worker, or leave out executor="
            )
        return parameters

    @functools.cached_property
    def _result(self) -> ResultType:
        return ResultType(self.name, self._parameters.signature.annotations)

    @functools.cached_property
    def _checked_parameters(self) -> Parameters:
        _ = self._parameters.types, self._result
        if self.is_transactional and not self.takes_context:
            raise TypeError(
                f"worker {self.name!r} is transactional and takes no Context, so it could not reach its connection: "
                f"annotate a parameter, as in ctx: Context, or leave out transactional=True"
            )
        return self._parameters


AnyWorker = Worker[..., ..., Any]


@dataclass(frozen=True, slots=True)
class Decorator:
    """What `@worker(...)` returns: it makes a worker of a function, or gives a worker another name."""

    name: str | None
    options: Options
    backoff: Backoff
    executor: str | None
    is_transactional: bool
    fatal: tuple[type[BaseException], ...] = ()

    @overload
    def __call__(self, function: Worker[CallP, P, R], /) -> Worker[CallP, P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> Worker[Concatenate[Context, P], P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Worker[P, P, R]: ...
    def __call__(self, function: Any, /) -> AnyWorker:
        if isinstance(function, Worker):
            return self._alias(function)
        check_function(function)
        name = checked_name("worker", own_name(function) if self.name is None else self.name)
        executor = executor_for(function, self.executor)
        if self.is_transactional:
            check_transactional(function, executor)
        made: AnyWorker = Worker(
            function, name, self.options, self.backoff, executor, self.is_transactional, fatal=self.fatal
        )
        registry.add(made)
        return made

    def _alias(self, known: AnyWorker) -> AnyWorker:
        if self.name is None:
            raise TypeError(
                f"{known.name!r} is a worker already; worker(name=...)({known.function.__name__}) registers it under "
                f"another name as well"
            )
        if replace(self, name=None) != _USUAL:
            raise TypeError(
                f"worker(name={self.name!r}) gives another name to worker {known.name!r}, which keeps its options; "
                f"leave the others out, or decorate a function of its own"
            )
        alias = known.under_name(checked_name("worker", self.name), sys._getframe(2).f_globals["__name__"])
        registry.add(alias)
        return alias


_USUAL = Decorator(None, worker_options("default", 0, 20, None), as_backoff(None), None, is_transactional=False)


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
    fatal: Sequence[type[BaseException]] = (),
) -> Decorator: ...
@suggests_keywords
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
    fatal: Sequence[type[BaseException]] = (),
) -> Any:
    """Register a function as a worker, under its own name unless another is given.

    `queue`, `priority` (0 is claimed first), `max_attempts` and `timeout` (of one attempt; seconds or `timedelta`, None
    for no limit) hold for each job unless it is given others. `max_attempts` bounds failures in a row: a `Snooze` and a
    kept value begin the count anew. `backoff` is the delay after a failed attempt: seconds, a function of the attempt,
    or a policy with a method `delay(attempt)`; left out, 2 to the power of the attempt in seconds, with jitter, at most
    an hour. `executor` says where it runs: "async" for async functions, "thread" (the default for others), "process",
    or an executor of `WorkerPool(executors=...)` by its name.

    `fatal`: types of errors that no other attempt would mend. One that the worker raises discards the step at once, and
    is kept with its traceback, as if it had returned `Fail`. A timeout of the pool is none of them.

    Given a worker, `worker(name="old")(send)` registers it under another name as well: steps that were inserted under
    the name it had before it was renamed still find it. Everything but the name stays that of the worker.

    `transactional`: each attempt runs in a transaction, `ctx.connection`, in which its outcome is settled as well; what
    it writes there, its result and the release of its dependents commit together or not at all.

    Raises `InvalidOption`, `InvalidName`, `DuplicateWorker`, and `TypeError` for what is not a plain function.
    """
    options = worker_options(queue, priority, max_attempts, timeout)
    decorator = Decorator(name, options, as_backoff(backoff), executor, transactional, fatal_types(fatal))
    return decorator if function is None else decorator(function)
