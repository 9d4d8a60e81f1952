"""Compares how a workflow ended with what the rules allow, and says where the two differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.model.plan import CANCELLED_BY_TEST, Plan, StepPlan, given_to, value_of
from tests.model.rules import (
    FINAL,
    EndedByDependency,
    Ending,
    Record,
    consequence,
    ended_by_dependency,
    moment,
    own_ending,
    possible_states,
    workflow_state,
)

Event = Mapping[str, Any]
"""A line of the effects log: `workflow`, `step`, `event` ("start", "end", or "hang" between the two), `attempt` (None
if the worker cannot know it), `queue`, `pool` (the process id of the worker pool, None if the worker cannot know it);
of a start what was `given`, of an end the `act`.
"""


@dataclass(frozen=True, slots=True)
class Observed:
    """A workflow after it has ended."""

    plan: Plan
    state: str
    records: Mapping[str, Record]
    events: Sequence[Event]
    """Those of this workflow, in the order in which they were written."""
    losses_are_allowed: bool = False
    """Whether pools were killed meanwhile. Attempts may then be lost, or given back and started once more; that a lost
    attempt is on record is enough to excuse it."""

    @property
    def was_cancelled(self) -> bool:
        """Whether the test cancelled something; it does not if the step that hangs never starts."""
        return self.plan.cancellation is not None and self._cancelled_first is not None

    @property
    def cancelled_at(self) -> datetime:
        """When the test cancelled."""
        assert self._cancelled_first is not None, "the test cancelled nothing"
        return moment(self._cancelled_first)

    @property
    def _cancelled_first(self) -> Record | None:
        """The step that hangs, if the test cancelled it. After losses it may be another one: that step may have lost
        all its attempts before."""
        if self.plan.cancellation is None:
            return None
        hanging = self.records[self.plan.cancellation.when]
        if _was_cancelled_by_test(hanging) or not self.losses_are_allowed:
            return hanging if _was_cancelled_by_test(hanging) else None
        return min(
            (record for record in self.records.values() if _was_cancelled_by_test(record)), key=moment, default=None
        )

    def events_of(self, step: str) -> list[Event]:
        return [event for event in self.events if event["step"] == step]


def violations(observed: Observed) -> list[str]:
    """Where the run differs from the rules, each in a sentence; empty if nowhere."""
    if incomplete := list(_of_the_end(observed)):
        return incomplete
    found = list(_of_the_whole(observed))
    possible = possible_states(observed.plan)
    for step in observed.plan.steps:
        found += [f"step {step.name!r} {wrong}" for wrong in _of_step(observed, step, possible[step.name])]
    return found


def over_limit(events: Sequence[Event], limits: Mapping[str, int]) -> list[str]:
    """Which pools ran more steps of a queue at once than its limit."""
    running: Counter[tuple[int | None, str]] = Counter()
    most: Counter[tuple[int | None, str]] = Counter()
    for event in events:
        lane = (event["pool"], event["queue"])
        running[lane] += {"start": 1, "hang": 0, "end": -1}[event["event"]]
        most[lane] = max(most[lane], running[lane])
    return [
        f"pool of process {pool} ran {count} steps of queue {queue!r} at once, its limit is {limits[queue]}"
        for (pool, queue), count in most.items()
        if pool is not None and count > limits[queue]
    ]


def _of_the_end(observed: Observed) -> Iterator[str]:
    """All steps are there and final; without that nothing else can be compared."""
    records = observed.records
    planned = {step.name for step in observed.plan.steps}
    if records.keys() != planned:
        yield f"the workflow has the steps {sorted(records)}, it was given {sorted(planned)}"
        return
    for name, record in records.items():
        if record.state not in FINAL:
            yield f"step {name!r} is {record.state}, which is not final"
        elif record.finished_at is None:
            yield f"step {name!r} is {record.state} without a time"
    for name in {event["step"] for event in observed.events} - planned:
        yield f"step {name!r} ran, which is not in the workflow"


def _of_the_whole(observed: Observed) -> Iterator[str]:
    states = {name: record.state for name, record in observed.records.items()}
    began = {name for name, record in observed.records.items() if record.attempted_at is not None}
    cancellation = observed.plan.cancellation
    is_whole = cancellation is not None and cancellation.names is None and observed.was_cancelled
    expected = workflow_state(observed.plan, states, began, is_whole)
    if observed.state != expected:
        yield f"the workflow is {observed.state}, by its steps it is {expected}: {states}"


def _of_step(observed: Observed, step: StepPlan, possible: frozenset[str]) -> Iterator[str]:
    record = observed.records[step.name]
    yield from _of_the_record(step, record)
    by_dependency = ended_by_dependency(observed.plan, step, observed.records)
    if _was_cancelled_by_test(record):
        yield from _of_cancelled_by_test(observed, step, by_dependency)
    elif by_dependency is not None:
        yield from _of_ended_by_dependency(observed, step, by_dependency)
    else:
        yield from _of_run(observed, step)
    yield from _of_escaped(observed, step)
    yield from _of_order(observed, step)
    if not observed.losses_are_allowed and record.state not in possible:
        yield f"is {record.state}, whatever the order of events it can only be {sorted(possible)}"


def _of_the_record(step: StepPlan, record: Record) -> Iterator[str]:
    if set(record.dependencies) != step.dependencies:
        yield f"has the dependencies {sorted(record.dependencies)}, it was given {sorted(step.dependencies)}"
    if record.queue != step.queue:
        yield f"is in queue {record.queue!r}, it was given {step.queue!r}"
    if record.pending != 0:
        yield f"is {record.state} and still waits for {record.pending}"
    if record.state != "completed" and record.result is not None:
        yield f"is {record.state} and has the result {record.result!r}"
    if record.state == "completed" and record.reason is not None:
        yield f"is completed and has the reason {record.reason!r}"


def _of_ended_by_dependency(observed: Observed, step: StepPlan, by_dependency: EndedByDependency) -> Iterator[str]:
    record = observed.records[step.name]
    by = f"its dependency {sorted(by_dependency.by)} decides"
    if record.state != by_dependency.state:
        yield f"is {record.state}, it must be {by_dependency.state}: {by}"
    elif record.finished_at != by_dependency.at:
        yield f"ended at {record.finished_at}, not in the transaction of {by_dependency.at}: {by}"
    elif not _names_a_cause(observed, step, by_dependency):
        yield f"has the reason {record.reason!r}, which names no step that decided: {by}"
    if record.attempt or record.errors or record.attempted_at:
        yield f"never was to run and has attempt {record.attempt} of {record.attempted_at}, errors {record.errors}"
    if observed.events_of(step.name):
        yield f"never was to run and ran: {observed.events_of(step.name)}"


def _names_a_cause(observed: Observed, step: StepPlan, by_dependency: EndedByDependency) -> bool:
    reason = (observed.records[step.name].reason or "").replace("''", "'")
    return any(
        f"'{cause}'" in reason and consequence(observed.records[cause].state) == by_dependency.state
        for cause in _ancestors(observed.plan, step)
        if observed.records[cause].state != "completed" and observed.records[cause].finished_at == by_dependency.at
    )


def _ancestors(plan: Plan, step: StepPlan) -> set[str]:
    steps, found, open_ = plan.by_name, set[str](), [step.name]
    while open_:
        new = steps[open_.pop()].dependencies - found
        found |= new
        open_ += new
    return found


def _of_cancelled_by_test(observed: Observed, step: StepPlan, by_dependency: EndedByDependency | None) -> Iterator[str]:
    record, cancellation = observed.records[step.name], observed.plan.cancellation
    if cancellation is None or not cancellation.concerns(step.name):
        yield "is cancelled for the test's reason, and the test did not do that"
        return
    if not observed.was_cancelled:
        yield f"was cancelled, and {cancellation.when!r}, which hangs, was not"
    elif record.finished_at != observed.cancelled_at:
        yield f"was cancelled at {record.finished_at}, not in the transaction of the others"
    if by_dependency is not None and by_dependency.at < moment(record):
        yield f"was cancelled at {record.finished_at}, and {sorted(by_dependency.by)} ended it at {by_dependency.at}"
    most = own_ending(step, _lost(record)).attempts
    if record.attempt > most:
        yield f"has {record.attempt} attempts, it takes {most}"


def _of_escaped(observed: Observed, step: StepPlan) -> Iterator[str]:
    """A step that the test should have cancelled and did not had ended before."""
    record, cancellation = observed.records[step.name], observed.plan.cancellation
    if cancellation is None or not observed.was_cancelled or not cancellation.concerns(step.name):
        return
    cancelled_at = observed.cancelled_at
    if not _was_cancelled_by_test(record) and moment(record) >= cancelled_at:
        yield f"is {record.state} since {record.finished_at}, the test should have cancelled it at {cancelled_at}"


def _of_run(observed: Observed, step: StepPlan) -> Iterator[str]:
    record = observed.records[step.name]
    lost = _lost(record)
    if not observed.losses_are_allowed and (ever := _lost_in(record.errors)):
        yield f"lost its attempts {sorted(ever)}, and no pool was killed"
    ending = own_ending(step, lost)
    results = _results(observed, step)
    if record.state != ending.state:
        yield f"is {record.state} ({record.reason}), by what it does it is {ending.state}: {ending.starts}"
        return
    if record.attempt != ending.attempts:
        yield f"has {record.attempt} attempts, it takes {ending.attempts}"
    if ending.state == "completed":
        expected = value_of(step.name, step.flavour, given_to(step, results))
        if repr(record.result) != repr(expected):
            yield f"has the result {record.result!r}, it returned {expected!r}"
    if ending.state in {"cancelled", "skipped"} and record.reason != f"{step.name} says {ending.state}":
        yield f"has the reason {record.reason!r}, not its own"
    yield from _of_errors(step, record, ending)
    yield from _of_calls(observed, step, ending)


def _of_errors(step: StepPlan, record: Record, ending: Ending) -> Iterator[str]:
    failed = [start.attempt for start in ending.failures]
    earlier = record.errors[: len(record.errors) - len(_last_row(record))]
    was_counted_anew = step.begins_anew and all(error["kind"] == "lost" for error in earlier)
    if [error["attempt"] for error in _last_row(record)] != failed or (earlier and not was_counted_anew):
        yield f"has errors of {[error['attempt'] for error in record.errors]}, the attempts {failed} failed"
        return
    for error, start in zip(_last_row(record), ending.failures, strict=True):
        if start.act == "raise" and step.name not in error["error"]:
            yield f"raised in attempt {start.attempt}, the error on record is {error['error']!r}"
        if start.act == "overrun" and "Boom" in error["error"]:
            yield f"overran in attempt {start.attempt}, the error on record is {error['error']!r}"
    if ending.state == "discarded" and record.reason != record.errors[-1]["error"]:
        yield f"was discarded for {record.reason!r}, its last error is {record.errors[-1]['error']!r}"


def _of_calls(observed: Observed, step: StepPlan, ending: Ending) -> Iterator[str]:
    """The worker was called as often as predicted, with what the dependencies returned."""
    events = observed.events_of(step.name)
    starts = [event for event in events if event["event"] == "start"]
    ends = [event for event in events if event["event"] == "end"]
    if observed.losses_are_allowed:
        if not any(end["act"] == ending.starts[-1].act for end in ends) and ending.starts[-1].act != "lost":
            yield f"is {ending.state}, and no call of its worker ended so: {ends}"
    else:
        if [end["act"] for end in ends] != [start.act for start in ending.starts]:
            yield f"did {[end['act'] for end in ends]}, it was to do {[start.act for start in ending.starts]}"
        if step.sees_all_results and [start.get("kept") for start in starts] != _kept(ending):
            yield f"found {[start.get('kept') for start in starts]} kept, the prediction is {_kept(ending)}"
        if step.sees_all_results and [start["attempt"] for start in starts] != [s.attempt for s in ending.starts]:
            yield f"was started for {[start['attempt'] for start in starts]}, the prediction is {ending.starts}"
    expected = json.loads(json.dumps(given_to(step, _results(observed, step))))
    for start in starts:
        if repr(start["given"]) != repr(expected):
            yield f"was given {start['given']}, its dependencies have {expected}"


def _kept(ending: Ending) -> list[int | None]:
    """The number of the last snooze before each start."""
    before = [sum(start.act == "snooze" for start in ending.starts[:n]) for n in range(len(ending.starts))]
    return [snoozes - 1 if snoozes else None for snoozes in before]


def _of_order(observed: Observed, step: StepPlan) -> Iterator[str]:
    """The step started after the end of each dependency was committed, by the clock and by the log."""
    record = observed.records[step.name]
    ends = [moment(observed.records[name]) for name in step.dependencies]
    if record.attempted_at is not None:
        if record.attempted_at > moment(record):
            yield f"was claimed at {record.attempted_at}, after its end at {record.finished_at}"
        earliest = max(ends, default=record.attempted_at)
        if ends and step.schedule_in is not None:
            earliest += timedelta(seconds=step.schedule_in)
        if record.attempted_at < earliest:
            yield f"was claimed at {record.attempted_at}, before {earliest}, when its dependencies let it"
    first = next((n for n, event in enumerate(observed.events) if event["step"] == step.name), None)
    for n, event in enumerate(observed.events):
        if first is not None and n > first and event["step"] in step.dependencies:
            # What a cancelled step, or one whose pool died, still does is accepted by nobody.
            dependency = observed.records[event["step"]]
            if not _was_cancelled_by_test(dependency) and not observed.losses_are_allowed:
                yield f"started before the {event['event']} of its dependency {event['step']!r}"


def _results(observed: Observed, step: StepPlan) -> dict[str, Any]:
    records = observed.records
    return {name: records[name].result for name in step.dependencies if records[name].state == "completed"}


def _lost(record: Record) -> frozenset[int]:
    return _lost_in(_last_row(record))


def _lost_in(errors: Sequence[Mapping[str, Any]]) -> frozenset[int]:
    return frozenset(error["attempt"] for error in errors if error["kind"] == "lost")


def _last_row(record: Record) -> Sequence[Mapping[str, Any]]:
    """The errors of the attempts that were counted when it ended: a snooze begins the count anew."""
    has_failed = record.state == "discarded" or _was_cancelled_by_test(record)
    failed = record.attempt if has_failed else record.attempt - 1
    return record.errors[max(0, len(record.errors) - failed) :]


def _was_cancelled_by_test(record: Record) -> bool:
    return record.state == "cancelled" and record.reason == CANCELLED_BY_TEST
