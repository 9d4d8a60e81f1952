"""What can be done from the dashboard: each action with its question, and what it does.

An action is looked up by name, shown as a question on a page of its own, and done by a form of that page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from baton.client.run import Run
from baton.database.interventions import Changes
from baton.errors import BatonError, WorkflowNotFound
from baton.web.rendering import plural, url
from baton.web.users import Permission
from baton.web.view import View, refuse

LIMIT_FIELDS = ("running", "starts", "per", "burst", "lane_running", "lane_starts", "lane_per", "lane_burst")
MOST_RUNS = 200
"""Runs that one action changes."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an action."""

    sentence: str
    back: str
    """The page that shows it."""
    refused: Sequence[str] = ()
    """Of an action on many runs: why some of them were left as they are."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something a user may do."""

    permission: Permission
    button: str
    question: Callable[[Subject], str]
    do: Callable[[View, Subject], Awaitable[Done]]
    takes: Sequence[str] = ()
    """Fields of its form, besides what the address names: reason, value, forward, downstream, force."""
    is_grave: bool = False
    dry_run: Callable[[Run, Subject], Awaitable[Changes]] | None = None
    """Says what it would change, without options of the form."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an action is about, as the address or the form names it."""

    runs: Sequence[str]
    step: str | None
    queue: str | None
    schedule: str | None
    lane: str | None
    given: Mapping[str, str]
    """What the form begins with."""

    @property
    def run(self) -> str:
        return self.runs[0] if self.runs else refuse(400, "This address lacks the parameter id.")

    @property
    def back(self) -> str:
        """The page it was on."""
        if self.queue is not None:
            return "queues" if self.lane is None else "limits"
        if self.schedule is not None:
            return "schedules"
        if len(self.runs) != 1:
            return "runs"
        return url("run", id=self.run) if self.step is None else url("step", id=self.run, step=self.step)

    def named(self) -> str:
        """Say what it is, for a question."""
        if len(self.runs) > 1:
            return plural(len(self.runs), "run")
        return f"run {self.run!r}" if self.step is None else f"step {self.step!r} of run {self.run!r}"

    def needed(self, kind: str) -> str:
        """Return the name of the queue, schedule or step. Raises `Refused` if it is not given."""
        value: str | None = getattr(self, kind)
        return value or refuse(400, f"This address lacks the parameter {kind}.")


def _reason(view: View) -> str | None:
    return view.form.get("reason", "").strip() or None


def _steps(subject: Subject) -> list[str]:
    return [subject.step] if subject.step is not None else []


async def _cancel(view: View, subject: Subject) -> Done:
    reason = _reason(view) or f"by {view.user.name}, in the dashboard"

    async def one(run: Run) -> int:
        return await run.cancel(*_steps(subject), reason=reason, force="force" in view.form, actor=view.actor)

    return await _on_each(view, subject, one, "cancelled")


async def _cancel_dry(run: Run, subject: Subject) -> Changes:
    return await run.cancel(*_steps(subject), dry_run=True)


async def _retry(view: View, subject: Subject) -> Done:
    async def one(run: Run) -> int:
        return await run.retry(
            *_steps(subject),
            forward="forward" in view.form,
            downstream="downstream" in view.form,
            reason=_reason(view),
            actor=view.actor,
        )

    return await _on_each(view, subject, one, "opened again")


async def _retry_dry(run: Run, subject: Subject) -> Changes:
    return await run.retry(*_steps(subject), dry_run=True)


async def _complete(view: View, subject: Subject) -> Done:
    step = subject.needed("step")
    run = Run(subject.run, view.engine)
    changed = await run.complete(step, _value(view), reason=_reason(view), actor=view.actor)
    return Done(f"{step!r} is completed; {plural(changed, 'step')} changed.", subject.back)


async def _skip(view: View, subject: Subject) -> Done:
    step = subject.needed("step")
    changed = await Run(subject.run, view.engine).skip(step, reason=_reason(view), actor=view.actor)
    return Done(f"{step!r} is skipped; {plural(changed, 'step')} changed.", subject.back)


async def _skip_dry(run: Run, subject: Subject) -> Changes:
    return await run.skip(subject.needed("step"), dry_run=True)


async def _start_now(view: View, subject: Subject) -> Done:
    step = subject.needed("step")
    started = await Run(subject.run, view.engine).start_now(step, reason=_reason(view), actor=view.actor)
    return Done(f"{plural(started, 'step')} started.", subject.back)


async def _start_dry(run: Run, subject: Subject) -> Changes:
    return await run.start_now(subject.needed("step"), dry_run=True)


async def _on_each(view: View, subject: Subject, do: Callable[[Run], Awaitable[int]], done: str) -> Done:
    """Do it to each run in a transaction of its own; one that refuses does not hold up the others."""
    if len(subject.runs) > MOST_RUNS:
        refuse(400, f"At most {MOST_RUNS} runs are changed at once. Nothing was changed.")
    if len(subject.runs) == 1:
        count = await do(Run(subject.run, view.engine))
        return Done(f"{plural(count, 'step')} {done}.", subject.back)
    count, refused = 0, []
    for run in subject.runs:
        try:
            count += await do(Run(run, view.engine))
        except WorkflowNotFound as error:
            refused.append(str(error))
        except BatonError as error:
            refused.append(f"{run}: {error}")
    changed = len(subject.runs) - len(refused)
    return Done(f"{plural(count, 'step')} of {plural(changed, 'run')} {done}.", subject.back, refused)


def _value(view: View) -> Any:
    try:
        return msgspec.json.decode(view.form.get("value", "").strip() or "null")
    except msgspec.DecodeError as error:
        refuse(400, f"The value is not JSON: {error}. Text has double quotes. Nothing was changed.")


async def _signal(view: View, subject: Subject) -> Done:
    step = subject.needed("step")
    accepted = await Run(subject.run, view.engine).signal(step, _value(view), actor=view.actor)
    if not accepted:
        refuse(409, "Another signal came first. Nothing was changed.")
    return Done(f"The signal for {step!r} is recorded.", subject.back)


async def _pause(view: View, subject: Subject) -> Done:
    queue = subject.needed("queue")
    named = _queue_and_lane(subject)
    paused = await view.engine.pause(queue, lane=subject.lane, actor=view.actor)
    return Done(f"{named} is paused." if paused else f"{named} was paused already.", subject.back)


async def _resume(view: View, subject: Subject) -> Done:
    queue = subject.needed("queue")
    named = _queue_and_lane(subject)
    was_paused = await view.engine.resume(queue, lane=subject.lane, actor=view.actor)
    return Done(f"{named} goes on." if was_paused else f"{named} was not paused.", subject.back)


def _queue_and_lane(subject: Subject) -> str:
    return f"Queue {subject.queue!r}" if subject.lane is None else f"Lane {subject.lane!r} of queue {subject.queue!r}"


async def _pause_schedule(view: View, subject: Subject) -> Done:
    name = subject.needed("schedule")
    await view.engine.pause_schedule(name, actor=view.actor)
    return Done(f"Schedule {name!r} is paused.", "schedules")


async def _resume_schedule(view: View, subject: Subject) -> Done:
    name = subject.needed("schedule")
    await view.engine.resume_schedule(name, actor=view.actor)
    return Done(f"Schedule {name!r} goes on.", "schedules")


async def _run_schedule(view: View, subject: Subject) -> Done:
    run = await view.engine.run_schedule(subject.needed("schedule"), actor=view.actor)
    return Done(f"Run {run.id!r} is inserted.", url("run", id=run.id))


async def _limit(view: View, subject: Subject) -> Done:
    queue = subject.needed("queue")
    counts = {name: _number(view, name, whole=True) for name in ("running", "lane_running")}
    rates = {name: _number(view, name) for name in LIMIT_FIELDS if name not in counts}
    if await view.engine.limit(queue, **counts, **rates, actor=view.actor):  # type: ignore[arg-type]
        return Done(f"The limits of queue {queue!r} are changed.", "limits")
    return Done(f"The limits of queue {queue!r} are as they were.", "limits")


def _number(view: View, name: str, *, whole: bool = False) -> int | float | None:
    text = view.form.get(name, "").strip()
    if not text:
        return None
    try:
        return int(text) if whole else float(text)
    except ValueError:
        refuse(400, f"{name.replace('_', ' ')} is {text!r}, which is not a number. Nothing was changed.")


async def _remove_limit(view: View, subject: Subject) -> Done:
    queue = subject.needed("queue")
    await view.engine.remove_limit(queue, actor=view.actor)
    return Done(f"Queue {queue!r} has no limits any more.", "limits")


def _about_schedule(question: str) -> Callable[[Subject], str]:
    return lambda subject: question.format(subject.needed("schedule"))


def _about_queue(question: str) -> Callable[[Subject], str]:
    return lambda subject: question.format(subject.needed("queue"))


ACTIONS: Mapping[str, Action] = {
    "cancel": Action(
        "cancel",
        "Cancel",
        lambda subject: (
            f"Cancel {subject.named()}? What is not final is cancelled, and what runs is stopped. "
            "Closing steps and undos still run, unless you force it."
        ),
        _cancel,
        ("reason", "force"),
        is_grave=True,
        dry_run=_cancel_dry,
    ),
    "retry": Action(
        "retry",
        "Retry",
        lambda subject: (
            f"Retry {subject.named()}? Discarded and cancelled steps, and what was cancelled or skipped "
            "because of them, are opened again."
        ),
        _retry,
        ("reason", "downstream", "forward"),
        dry_run=_retry_dry,
    ),
    "complete": Action(
        "repair",
        "Complete",
        lambda subject: (
            f"Complete {subject.named()} with a value, without running it? What was cancelled or skipped "
            "because of it is opened."
        ),
        _complete,
        ("value", "reason"),
    ),
    "skip": Action(
        "repair",
        "Skip",
        lambda subject: (
            f"Skip {subject.named()}? It ends without running, and fails nothing. Its dependents are "
            "skipped, unless they ignore that."
        ),
        _skip,
        ("reason",),
        dry_run=_skip_dry,
    ),
    "start-now": Action(
        "repair",
        "Start now",
        lambda subject: f"Let {subject.named()} start now, without waiting for its time?",
        _start_now,
        ("reason",),
        dry_run=_start_dry,
    ),
    "signal": Action(
        "signal",
        "Send the signal",
        lambda subject: f"Answer step {subject.needed('step')!r} of run {subject.run!r}? It completes with this value.",
        _signal,
        ("value",),
    ),
    "pause": Action(
        "pause queues",
        "Pause",
        _about_queue(
            "Pause queue {0!r}? What runs goes on; no step of it starts, on any machine, until it is resumed."
        ),
        _pause,
    ),
    "resume": Action("pause queues", "Resume", _about_queue("Resume queue {0!r}?"), _resume),
    "limit": Action(
        "change limits",
        "Change limits",
        _about_queue("Which limits is queue {0!r} to have, over all pools together? An empty field is no limit."),
        _limit,
        LIMIT_FIELDS,
    ),
    "remove-limit": Action(
        "change limits", "Remove limits", _about_queue("Take all limits of queue {0!r} away?"), _remove_limit
    ),
    "pause-schedule": Action(
        "change schedules",
        "Pause",
        _about_schedule("Pause schedule {0!r}? It inserts no run until it is resumed."),
        _pause_schedule,
    ),
    "resume-schedule": Action(
        "change schedules",
        "Resume",
        _about_schedule("Resume schedule {0!r}? It goes on with its next slot."),
        _resume_schedule,
    ),
    "run-schedule": Action(
        "change schedules", "Run now", _about_schedule("Insert a run of schedule {0!r} now?"), _run_schedule
    ),
}


def subject_of(values: Any) -> Subject:
    """Return what an action is about, from the parameters of an address or the fields of a form."""
    return Subject(
        tuple(dict.fromkeys(value for value in values.getlist("id") if value)),
        values.get("step") or None,
        values.get("queue") or None,
        values.get("schedule") or None,
        values.get("lane") or None,
        {name: values.get(name, "") for name in LIMIT_FIELDS},
    )
