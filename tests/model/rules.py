"""The rules as a small model in Python: how a step ends by itself, how its dependencies end it, how a workflow ends.

It decides from the plan of a step and the records of others, and shares no code with the engine that it checks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any, Protocol

from tests.model.plan import Act, Plan, StepPlan

FINAL = frozenset({"completed", "cancelled", "discarded", "skipped"})


class Record(Protocol):
    """The record of a step, as `run.steps()` returns it."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def pending(self) -> int: ...
    @property
    def dependencies(self) -> Sequence[str]: ...
    @property
    def result(self) -> Any: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def errors(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def pool(self) -> int | None: ...
    @property
    def attempted_at(self) -> datetime | None: ...
    @property
    def finished_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Start:
    """One time a worker is called."""

    attempt: int
    act: Act | str
    """What it does then; "again", "snooze", or "lost" if its pool dies first."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a step ends by what it does itself."""

    state: str
    """"hanging" if it does not end until the test cancels it."""
    starts: tuple[Start, ...]

    @property
    def attempts(self) -> int:
        return self.starts[-1].attempt

    @property
    def failures(self) -> tuple[Start, ...]:
        """The attempts that failed, each of which leaves an error."""
        failures = {"raise", "retry", "fail", "fatal", "overrun", "unstorable", "lost"}
        return tuple(start for start in self.starts if start.act in failures)


@dataclass(frozen=True, slots=True)
class EndedByDependency:
    """The end of a step that a dependency ended, in the same transaction, before it started."""

    state: str
    by: frozenset[str]
    """Those of its dependencies that ended first; the state is that of one of them."""
    at: datetime


def own_ending(step: StepPlan, lost: frozenset[int] = frozenset()) -> Ending:
    """How the step ends once it runs, if these attempts are lost with their pools."""
    starts = [Start(1, "again")] * step.rounds + [Start(1, "snooze")] * step.snoozes
    for attempt in range(1, step.max_attempts + 1):
        act: Act | str = "lost" if attempt in lost else step.act(attempt)
        starts.append(Start(attempt, act))
        match act:
            case "return":
                return Ending("completed", tuple(starts))
            case "cancel":
                return Ending("cancelled", tuple(starts))
            case "skip":
                return Ending("skipped", tuple(starts))
            case "hang":
                return Ending("hanging", tuple(starts))
            case "fail" | "fatal":
                return Ending("discarded", tuple(starts))
            case _:
                pass  # a failure; the next attempt follows
    return Ending("discarded", tuple(starts))


def consequence(state: str) -> str:
    """The state of a dependent that does not ignore this end of its dependency."""
    match state:
        case "cancelled" | "discarded":
            return "cancelled"
        case "skipped":
            return "skipped"
        case _:
            raise ValueError(f"{state} is not unfavourable")


def ended_by_dependency(plan: Plan, step: StepPlan, records: Mapping[str, Record]) -> EndedByDependency | None:
    """How the dependencies end the step, or None if they let it run.

    The first failed one decides; of several that end at the same time, cancelled comes before skipped.
    """
    unfavourable = [
        record
        for record in (records[name] for name in step.dependencies)
        if record.state in FINAL - {"completed"} and not plan.ignores(step, record.state)
    ]
    if not unfavourable:
        return None
    first = min(moment(record) for record in unfavourable)
    deciding = [record for record in unfavourable if moment(record) == first]
    state = min(consequence(record.state) for record in deciding)  # "cancelled" is before "skipped" here as well
    return EndedByDependency(
        state, frozenset(record.name for record in deciding if consequence(record.state) == state), first
    )


def moment(record: Record) -> datetime:
    """When a final step became final."""
    assert record.finished_at is not None, f"step {record.name!r} is {record.state} without a time"
    return record.finished_at


def workflow_state(
    plan: Plan, states: Mapping[str, str], began: Collection[str], is_cancelled_as_a_whole: bool = False
) -> str:
    """The final state of a workflow whose steps ended in these states; `began` are those that ever ran."""
    if is_cancelled_as_a_whole:
        return "cancelled"
    dependents = plan.dependents
    return (
        "completed"
        if all(_passes(plan, state, dependents[name], began) for name, state in states.items())
        else "failed"
    )


def _passes(plan: Plan, state: str, dependents: Sequence[StepPlan], began: Collection[str]) -> bool:
    if state in {"completed", "skipped"}:
        return True
    is_ignored = all(plan.ignores(step, state) for step in dependents)
    return is_ignored and any(step.name in began for step in dependents)


def possible_states(plan: Plan) -> dict[str, frozenset[str]]:
    """The states in which each step may end; one state where the order of events does not matter.

    It may name a state that cannot happen, where two ends of one dependency have different consequences; it never
    leaves one out. No attempt is lost.
    """
    known: dict[str, frozenset[str]] = {}
    steps = plan.by_name
    for name in TopologicalSorter({step.name: step.dependencies for step in plan.steps}).static_order():
        step = steps[name]
        states = _possible_states_of(plan, step, [known[dependency] for dependency in step.dependencies])
        if plan.cancellation is not None and plan.cancellation.concerns(name):
            states.add("cancelled")
        known[name] = frozenset(states)
    return known


def _possible_states_of(plan: Plan, step: StepPlan, dependencies: Iterable[frozenset[str]]) -> set[str]:
    states: set[str] = set()
    may_run = True
    for ends in dependencies:
        unfavourable = {end for end in ends if end != "completed" and not plan.ignores(step, end)}
        states |= {consequence(end) for end in unfavourable}
        may_run = may_run and unfavourable != ends
    if may_run:
        state = own_ending(step).state
        states.add("cancelled" if state == "hanging" else state)
    return states
