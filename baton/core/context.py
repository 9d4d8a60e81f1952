"""What a worker is given about the attempt that it runs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from baton.core.names import UNSTORABLE
from baton.core.options import MOST_UNITS
from baton.core.progress import progress_json
from baton.core.states import FinalStepState
from baton.core.streams import checked_stream, item_json
from baton.errors import InvalidOption, NotKept, NoTransaction
from baton.errors.language_models import NoModel
from baton.errors.texts import did_you_mean

if TYPE_CHECKING:
    import asyncpg

OWN_KINDS = ("arguments", "results", "log", "dropped")
"""The kinds of debug records that each attempt leaves."""
MOST_OF_KIND = 100
Keep = Callable[[Any], Awaitable[None]]
Leave = Callable[[str, str, str], None]
"""Leaves a record of the attempt: its kind, its key within the kind, and its value as JSON text."""

_log = logging.getLogger("baton.step")


class Results(Mapping[str, Any]):
    """The results of a step's declared dependencies by name, as plain JSON values.

    A dependency that was ignored and ended without a result has no key; a result that is None has one.
    """

    __slots__ = ("_results", "_step")

    def __init__(self, step: str, results: Mapping[str, Any]) -> None:
        self._step = step
        self._results = results

    def __getitem__(self, name: str) -> Any:
        try:
            return self._results[name]
        except KeyError:
            why = f"{name!r} is not a declared dependency of step {self._step!r}, or it ended without a result"
            raise KeyError(why + did_you_mean(name, self._results)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return f"Results({dict(self._results)!r})"


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """How a step ended."""

    state: FinalStepState
    reason: str | None
    """Why it is cancelled, discarded or skipped."""
    children: Mapping[str, StepOutcome]
    """Of a group, its children in their order, by the names they have in it: `pages[0]`, or `fetch` of `extract/fetch`.
    Without those below them."""
    began: bool = False
    """Whether its worker may have run, however it ended; of a group, whether that of any step below it may have."""


class Outcomes(Mapping[str, StepOutcome]):
    """How the declared dependencies of a step ended, by name."""

    __slots__ = ("_outcomes", "_step")

    def __init__(self, step: str, outcomes: Mapping[str, StepOutcome]) -> None:
        self._step = step
        self._outcomes = outcomes

    def __getitem__(self, name: str) -> StepOutcome:
        try:
            return self._outcomes[name]
        except KeyError:
            why = f"{name!r} is not a declared dependency of step {self._step!r}"
            raise KeyError(why + did_you_mean(name, self._outcomes)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._outcomes)

    def __len__(self) -> int:
        return len(self._outcomes)

    def __repr__(self) -> str:
        return f"Outcomes({dict(self._outcomes)!r})"


def outcomes(stored: Mapping[str, Any]) -> dict[str, StepOutcome]:
    """Return outcomes from the form in which the database sends them (sql/functions/outcomes_of.sql)."""
    return {
        name: StepOutcome(
            state,
            reason,
            {child: StepOutcome(state, reason, {}, began) for child, state, reason, began in children or ()},
            began,
        )
        for name, (state, reason, began, children) in stored.items()
    }


class StepLog(logging.LoggerAdapter[logging.Logger]):
    """Adds workflow, step and attempt to each record, in addition to what the caller adds."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


@dataclass(frozen=True, slots=True)
class Context:
    """One attempt of one step. A worker that annotates a parameter with `Context` gets it."""

    workflow_id: str
    workflow_name: str | None
    step: str
    attempt: int
    """1 during the first attempt, and again after a snooze, a kept value or the begin of another round."""
    max_attempts: int
    """How many attempts may fail in a row."""
    results: Mapping[str, Any]
    """The results of the declared dependencies, by step name, as plain JSON values."""
    outcomes: Mapping[str, StepOutcome] = field(default_factory=dict)
    """How the declared dependencies ended, by step name; of a group, how each child ended."""
    meta: Any = None
    """What the application attached with `Baton.new(meta=...)`, as a plain JSON value; None if nothing was."""
    generation: int = 1
    """1 until the step was undone or began another round, and one more after each of these."""
    kept: Any = None
    """What an earlier attempt kept, by `keep` or by `Snooze(keep=...)`, as a plain JSON value; None for nothing."""

    _model: str | None = field(default=None, repr=False)
    _worker: str = field(default="", repr=False, compare=False)
    _keep: Keep | None = field(default=None, repr=False, compare=False)
    _leave: Leave | None = field(default=None, repr=False, compare=False)
    _debug: Callable[[str, Any], None] | None = field(default=None, repr=False, compare=False)
    _paced: Callable[[], Awaitable[None]] | None = field(default=None, repr=False, compare=False)
    _connection: asyncpg.Connection[asyncpg.Record] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.results, Results):
            object.__setattr__(self, "results", Results(self.step, self.results))
        if not isinstance(self.outcomes, Outcomes):
            object.__setattr__(self, "outcomes", Outcomes(self.step, self.outcomes))

    @property
    def model(self) -> str:
        """The language model that the step asks: see `Baton.new(models=...)`.

        Raises: NoModel if no model map names one for it; the step is discarded then.
        """
        if self._model is None:
            raise NoModel(self.step, self._worker)
        return self._model

    @property
    def connection(self) -> asyncpg.Connection[asyncpg.Record]:
        """The connection of a transactional worker, in the transaction that settles the step.

        It belongs to the worker pool, which takes it back when the worker returns: do not end its transaction, and do
        not keep it. To undo a part of the work, use a nested transaction, `async with ctx.connection.transaction()`.

        Raises: NoTransaction if the worker is not transactional.
        """
        if self._connection is None:
            raise NoTransaction(
                f"the worker of step {self.step!r} has no connection: write @worker(transactional=True), and the pool "
                f"gives it one, in the transaction in which the step is settled"
            )
        return self._connection

    def with_connection(self, connection: asyncpg.Connection[asyncpg.Record]) -> Context:
        """Return a copy with this `connection`. The pool does so for transactional workers; tests may as well."""
        return replace(self, _connection=connection)

    def keep(self, value: Any) -> Awaitable[None]:
        """Keep a JSON value for the next attempts of the step, which find it as `ctx.kept`: `await ctx.keep(page)`.

        It is stored when the call returns, and replaces what was kept before; `ctx.kept` of this attempt stays as it
        is. It survives whatever becomes of the attempt, and is forgotten when the step begins another round or is
        retried after it has completed. The count of failures begins anew with it: this attempt is the first.

        A plain function, which runs in a thread, calls it without `await`.

        Raises: KeptNotJSON, and NotKept if the value is too large, the step has been cancelled or taken over, or the
        worker runs where nothing can be kept: in another process, or in a transaction. These may return
        `Snooze(..., keep=value)`.
        """
        if self._keep is None:
            raise NotKept(
                self.step,
                "only a worker that runs in the process of its pool, outside of a transaction, can keep a value; "
                "any other may return Snooze(..., keep=value)",
            )
        return self._keep(value)

    def record(self, kind: str, payload: Any) -> None:
        """Leave something for people who look into this attempt: `ctx.record("prompt", messages)`.

        It is kept if the workflow was made with `Baton.new(debug=...)`, and read by `run.debug(step)`. Otherwise
        nothing happens. It is written with the outcome of the attempt, also if that fails, and two seconds after the
        call at the latest. `payload` is any JSON value; of one that is none a sentence is kept, and of a large one the
        begin. Values under keys such as `password` are left out, and texts pass through `WorkerPool(redact=...)`.

        Raises: InvalidOption if the kind is no text, or one that Baton uses itself.
        """
        _require_kind(kind)
        if self._debug is not None:
            self._debug(kind[:MOST_OF_KIND], payload)

    def publish(self, stream: str, value: Any) -> Awaitable[None]:
        """Append a JSON value to a stream of the run: `await ctx.publish("tokens", text)`.

        `run.follow("tokens")` yields it in any process, about a tenth of a second later, and so does a browser that
        follows it. May be called as often as one likes: values are collected, and written ten times a second at most.
        What an attempt published that fails or is lost goes when the next one publishes: a retry begins anew. A snooze
        and another round go on. It goes with the run. A plain function, which runs in a thread, calls it without
        `await`.

        Raises: NotJSON, and InvalidOption for a value of more than 100,000 characters, or a name that is none.
        """
        name, text = checked_stream(stream), item_json(value)
        if self._leave is not None:
            self._leave("stream", name, text)
        return self._paced() if self._paced is not None else Done()

    def used(self, units: int) -> None:
        """Say how many units this attempt has used of the rates of its queue, in all: `ctx.used(answer.total_tokens)`.

        Its start counted those of its job (`with_options(units=...)`, 1 unless given). The rates of its queue and lane
        are corrected by the difference, with the outcome of the attempt and half a second after the call at the latest;
        what was used too much is earned before the next start. Called again, the last number counts. Returns at once.

        Raises: InvalidOption if this is no integer from 0 to 1,000,000,000.
        """
        if type(units) is not int or not 0 <= units <= MOST_UNITS:
            raise InvalidOption("units", units, f"it must be an integer between 0 and {MOST_UNITS:,}")
        if self._leave is not None:
            self._leave("units", "", str(units))

    def progress(self, fraction: float | None = None, message: str | None = None) -> None:
        """Say how far this attempt is: `ctx.progress(0.4, "page 4 of 10")`.

        It is shown by `run.steps()`, `run.events()`, `run.progress()` and `baton show` while the attempt runs. Returns
        at once, may be called as often as one likes, in any thread, and is written at most twice a second. Nothing
        waits for it, and it fails no attempt. `fraction` is from 0 to 1, and is cut to that; of a message 200
        characters are kept.

        Raises: InvalidOption if these are no number and no text.
        """
        says = progress_json(fraction, message)
        if self._leave is not None:
            self._leave("progress", "", says)

    def record_usage(
        self,
        answer: object,
        *,
        model: str | None = None,
        provider: str | None = None,
        first_chunk_seconds: float | None = None,
        is_cached: bool | None = None,
    ) -> None:
        """Record what a call of a language model used. Returns at once.

        `answer` is what an SDK returned (openai, anthropic, google-genai, pydantic-ai, litellm): the answer, its usage,
        the last chunk of a stream, a list of a stream's chunks, or the run of an agent; or a `Usage`. It leaves with
        the outcome of the attempt, also if that fails, and two seconds after the call at the latest. Its cost is
        calculated now, and never again.

        `model` is the one that was asked; left out, it is `ctx.model`, or the one that answered. `is_cached` says that
        the answer came from a cache of yours, and cost nothing.

        Raises: InvalidUsage if the answer is not understood, has no usage, or has impossible numbers.
        """
        # Few programs ask models: what reads their answers is not imported with the package.
        from baton.core.usage.recording import recorded

        given = {"model_asked": model, "provider": provider, "first_chunk_seconds": first_chunk_seconds}
        said = {name: value for name, value in {**given, "is_cached": is_cached}.items() if value is not None}
        for usage in recorded(answer, said, self._model):
            if self._leave is not None:
                self._leave("usage", "", msgspec.json.encode(usage).decode())

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of the step, and for no other step: pass it to services that take one.

        It changes, as in `run/hotel~2`, when the step was undone or begins another round: a service that knows the old
        key would answer with what has been taken back.
        """
        # Names of children have slashes, and ids may have them: only the first one divides the two.
        suffix = f"~{self.generation}" if self.generation > 1 else ""
        return f"{self.workflow_id.replace('%', '%25').replace('/', '%2F')}/{self.step}{suffix}"

    @property
    def log(self) -> StepLog:
        """The logger `baton.step`; its records carry `workflow_id`, `workflow_name`, `step` and `attempt`."""
        facts = {
            "workflow_id": self.workflow_id,
            "workflow_name": self.workflow_name,
            "step": self.step,
            "attempt": self.attempt,
        }
        return StepLog(_log, facts)


def _require_kind(kind: object) -> None:
    if not isinstance(kind, str) or kind in OWN_KINDS or UNSTORABLE.search(kind):
        raise InvalidOption("kind", kind, f"it must be a text, and none of {', '.join(OWN_KINDS)}")


class Done:
    """Has happened already: a plain function need not await it."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield
