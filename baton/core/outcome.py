"""How an attempt ended, as the value that is settled."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal

from msgspec import UNSET, Struct

from baton.core import codec, expansion
from baton.core.error_texts import text_of, trace_of
from baton.core.expansion import Expandable, Expansion
from baton.core.kept import kept_text
from baton.core.names import UNSTORABLE
from baton.core.returned import Again, Cancel, Fail, RetryAfter, Skip, Snooze
from baton.errors import DuplicateStep, InvalidName, InvalidWorkflow, KeptNotJSON, NotJSON, ResultNotJSON
from baton.errors.language_models import NoModel

if TYPE_CHECKING:
    from baton.core.worker import AnyWorker

MAX_SUMMARY = 2_000
"""Characters kept of an error's text or a reason."""
MAX_TRACE = 20_000
"""Characters kept of a traceback: its head and, larger, its tail."""

Kind = Literal[
    "completed",
    "failed",
    "overrun",
    "discarded",
    "cancelled",
    "skipped",
    "snoozed",
    "again",
    "given_back",
    "unknown_worker",
    "misfit",
    "no_budget",
    "expanded",
    "joined",
    "lost",
]
PERMANENT_ERRORS = (InvalidWorkflow, DuplicateStep, InvalidName, NoModel)
"""Errors of a worker that builds a graph, or that no model is named for: another attempt would meet the same."""


# One is made for every attempt: a frozen dataclass takes 1.2 µs to make, a struct 0.2.
class Outcome(Struct, frozen=True, gc=False):
    """How an attempt ended."""

    kind: Kind
    detail: str | None = None
    """Of one that completed the result as JSON; of one that begins another round its `arguments` and `keep_rounds`, as
    JSON; else text: the error, the reason."""
    trace: str | None = None
    """The traceback of a failed attempt."""
    delay: float | None = None
    """Seconds until the next attempt, if there is one. None for a failed attempt whose backoff is not computed yet."""
    graph: Expansion | None = None
    """The graph that the worker returned, of one that expanded."""
    is_requested: bool = False
    """Of a failed attempt: the worker asked for the next one by returning `RetryAfter`; nothing went wrong."""
    keep: str | None = None
    """Of one that snoozes: the value that it keeps, as JSON text."""
    still_runs: bool = False
    """Of a failed attempt: it took too long, and its code goes on in a thread that nobody can stop."""


def to_text(outcome: Outcome) -> str:
    """Return an outcome as JSON text, the form in which it crosses from one process to another."""
    graph = None if outcome.graph is None else expansion.to_text(outcome.graph)
    facts = (outcome.kind, outcome.detail, outcome.trace, outcome.delay, graph, outcome.is_requested, outcome.keep)
    return json.dumps(facts, ensure_ascii=True)


def from_text(text: str) -> Outcome:
    """Return the outcome that `to_text` wrote."""
    kind, detail, trace, delay, graph, is_requested, keep = json.loads(text)
    expanded_to = None if graph is None else expansion.from_text(graph)
    return Outcome(kind, detail, trace, delay, expanded_to, is_requested, keep)


def classify(worker: AnyWorker, value: object) -> Outcome:
    """Return the outcome of an attempt that returned `value`. Never raises.

    A value that is not JSON fails the attempt.
    """
    match value:
        case Snooze():
            return _snoozing(worker, value)
        case RetryAfter():
            return Outcome(
                "failed",
                f"the worker asked for a retry after {value.seconds:g} s",
                delay=value.seconds,
                is_requested=True,
            )
        case Cancel():
            return cancelled(value.reason)
        case Skip():
            return skipped(value.reason)
        case Fail():
            return discarded(value.reason)
        case Again():
            return _again(worker, value)
        case Expandable():
            return _expanded(value)
        case _:
            return _returned(worker, value)


def _snoozing(worker: AnyWorker, snooze: Snooze) -> Outcome:
    if snooze.keep is UNSET:
        return snoozed(snooze.seconds, snooze.reason)
    try:
        return snoozed(snooze.seconds, snooze.reason, kept_text(worker.name, snooze.keep))
    except KeptNotJSON as error:
        return Outcome("failed", _summary(error))


def _again(worker: AnyWorker, round_: Again) -> Outcome:
    try:
        arguments = codec.encode(dict(round_.arguments))
    except NotJSON as error:
        return Outcome("failed", f"the arguments of Again that worker {worker.name!r} returned are {error}")
    keep = "null" if round_.keep_rounds is None else str(round_.keep_rounds)
    return Outcome("again", f'{{"arguments":{arguments},"keep_rounds":{keep}}}', delay=round_.after)


def _returned(worker: AnyWorker, value: object) -> Outcome:
    try:
        return completed(worker.encode_result(value))
    except ResultNotJSON as error:
        # The traceback would lead through the codec and say nothing about the worker.
        return Outcome("failed", _summary(error))
    except Exception as error:  # noqa: BLE001  # a user's model may raise anything while it is encoded
        return failed(error)


def _expanded(value: Expandable) -> Outcome:
    try:
        return Outcome("expanded", graph=value.expansion())
    except InvalidWorkflow as error:
        return discarded(error)


def completed(result: str) -> Outcome:
    """The worker returned; `result` is JSON text."""
    return Outcome("completed", result)


def failed(error: BaseException, fatal: tuple[type[BaseException], ...] = ()) -> Outcome:
    """The worker raised. Does not raise itself, even if the error's own methods do.

    An error of one of the types in `fatal`, or in `PERMANENT_ERRORS`, discards the step.
    """
    if isinstance(error, (*PERMANENT_ERRORS, *fatal)):
        return Outcome("discarded", _summary(error), _trace(error))
    return Outcome("failed", _summary(error), _trace(error))


def discarded(why: BaseException | str) -> Outcome:
    """The step can never succeed, so that no further attempt is made."""
    return Outcome("discarded", storable(why, MAX_SUMMARY) if isinstance(why, str) else _summary(why))


def expanded() -> Outcome:
    """The step is a map, and is to be expanded into its children."""
    return Outcome("expanded")


def joined() -> Outcome:
    """The children of a group are final; the database decides how the group ends."""
    return Outcome("joined")


def cancelled(reason: str) -> Outcome:
    """The worker cancels the step."""
    return Outcome("cancelled", storable(reason, MAX_SUMMARY) or None)


def skipped(reason: str) -> Outcome:
    """The worker, or the step's condition, skips the step."""
    return Outcome("skipped", storable(reason, MAX_SUMMARY) or None)


def snoozed(delay: float, reason: str = "", keep: str | None = None) -> Outcome:
    """The worker is to be started again after `delay` seconds; no attempt is spent. `keep` is JSON text."""
    return Outcome("snoozed", storable(reason, MAX_SUMMARY) or None, delay=delay, keep=keep)


def given_back(cause: str) -> Outcome:
    """The pool could not finish the attempt, through no fault of the step; no attempt is spent."""
    return Outcome("given_back", storable(cause, MAX_SUMMARY))


def lost(why: str) -> Outcome:
    """It is unknown how the attempt ended. It is spent; if it had settled itself, this outcome is refused."""
    return Outcome("lost", storable(why, MAX_SUMMARY))


def unknown_worker(name: str) -> Outcome:
    """This process has no worker of that name; another one may."""
    return unable(f"no worker named {name!r} is registered here")


def unable(why: str) -> Outcome:
    """This process lacks what the step needs; another one may have it. No attempt is spent."""
    return Outcome("unknown_worker", storable(why, MAX_SUMMARY))


def no_budget(why: str, delay: float) -> Outcome:
    """A budget has no room for the attempt, which has not begun. No attempt is spent."""
    return Outcome("no_budget", storable(why, MAX_SUMMARY), delay=delay)


def misfit(error: BaseException) -> Outcome:
    """The arguments do not fit the worker that this process has; another one may have another version of it.

    No attempt is spent.
    """
    return Outcome("misfit", _summary(error))


def storable(text: str, limit: int) -> str:
    """Return `text` in at most `limit` characters that a database can store, cut in the middle.

    NUL and lone surrogates are written as escapes.
    """
    # Cut before and after: the escapes lengthen the text, and searching many megabytes would take
    # too long.
    shortened = _cut(text, limit)
    return _cut(UNSTORABLE.sub(_escaped, shortened), limit) if UNSTORABLE.search(shortened) else shortened


def _escaped(found: re.Match[str]) -> str:
    return "\\x00" if found.group() == "\x00" else f"\\u{ord(found.group()):04x}"


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    mark = f"\n... {len(text) - limit} characters left out ...\n"
    kept = limit - len(mark) - 10
    head = kept // 4
    return text[:head] + mark + text[len(text) - (kept - head) :]


def _summary(error: BaseException) -> str:
    kind, text = type(error).__qualname__, text_of(error)
    return storable(f"{kind}: {text}" if text else kind, MAX_SUMMARY)


def _trace(error: BaseException) -> str | None:
    text = trace_of(error)
    return None if text is None else storable(text, MAX_TRACE)
