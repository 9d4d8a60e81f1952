"""Why a step, or a workflow, is where it is: with what that leads to, down to the root."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import msgspec

from baton.core.causes import (
    BeingEnded,
    Cause,
    EndedByChild,
    EndedByGroup,
    EndedByStep,
    LanePaused,
    NoPoolForArguments,
    NoPoolForWorker,
    NotServed,
    QueuePaused,
    Retries,
    RunBeingEnded,
    RunCancelled,
    RunCause,
    RunCompleted,
    RunExecutes,
    RunFailed,
    RunPaused,
    ScopeEnded,
    Verdict,
    WaitsForChildren,
    WaitsForEnough,
    WaitsForGroup,
    WaitsForMapSlot,
    WaitsForSteps,
    WaitsForUndos,
    WaitsForVerdict,
    WorkerPaused,
)
from baton.core.causes.kind import NAMED, counted, span
from baton.core.explaining.ended import cause_of_final
from baton.core.explaining.facts import Facts, StepFacts
from baton.core.explaining.unfinished import cause_of_unfinished, closed_gate
from baton.core.states import StepState, WorkflowState

HOPS = 20
"""How many steps are named between a step and its root."""

LeadsOn = (
    WaitsForSteps
    | WaitsForChildren
    | WaitsForEnough
    | WaitsForGroup
    | WaitsForVerdict
    | WaitsForUndos
    | WaitsForMapSlot
    | BeingEnded
)
"""Causes that are the end of other steps."""

_ENDED_BY = (EndedByStep, EndedByChild, EndedByGroup, Verdict)
"""Causes that another step has, if they name one."""


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """A step, and why it is where it is. `str()` is a sentence."""

    step: str
    state: StepState
    cause: Cause
    starts_within: float | None = None
    """Seconds until it is discarded unless it has started; None for no such limit, or once it is final."""
    ends_within: float | None = None
    """Seconds until it is discarded unless it has ended."""

    @property
    def why(self) -> str:
        """The sentence without the name of the step."""
        limits = [("starts", self.starts_within), ("ends", self.ends_within)]
        said = [f"it is discarded unless it {verb} within {span(left)}" for verb, left in limits if left is not None]
        return "; ".join([str(self.cause), *said])

    def __str__(self) -> str:
        return f"step {self.step!r} {self.why}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a step, or a workflow as a whole, is where it is, as of one moment. `str()` is the sentence."""

    workflow_id: str
    step: str | None
    """None: the workflow as a whole."""
    state: StepState | WorkflowState
    cause: Cause | RunCause
    path: Sequence[ExplainedStep]
    """From this step to its root, this step first: each waits for the next, or ended because of it. At most 20. Of a
    workflow empty."""
    between: int
    """How many more steps lie between the end of the path and the roots. 0: the path ends in a root."""
    is_more: bool
    """There may be more than `between`: the chain is longer than what was read."""
    roots: Sequence[ExplainedStep]
    """Where the path leads to, unless it ends there; and other steps that hold this up, at most 3. Of a workflow, what
    holds it up, or made it fail."""
    others: int
    """How many more steps of the workflow are not final; 0 where a step is explained."""

    @property
    def root(self) -> ExplainedStep | None:
        """What is to be looked at: the first root, or the last of the path. None if nothing holds a workflow up."""
        if self.between or not self.path:
            return self.roots[0] if self.roots else None
        return self.path[-1]

    def __str__(self) -> str:
        return "; ".join(self.sentences())

    def sentences(self) -> Sequence[str]:
        """Return the parts of the sentence: first what was asked about, then what it leads to."""
        whole = [f"workflow {self.workflow_id!r} {self.cause}"] if self.step is None else []
        return [*whole, *self.leads_to()]

    def as_json(self) -> dict[str, Any]:
        """Return it as values for JSON; each cause has its class as `kind`, and the sentence is `text`."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {**plain, "text": str(self)}

    def leads_to(self) -> Iterator[str]:
        """Yield the parts of the sentence; of a workflow without the one about the whole."""
        yield from _sentences(self.path)
        if self.between:
            least = "at least " if self.is_more else ""
            yield f"and so on through {least}{counted(self.between, 'more step')}"
        yield from map(str, self.roots)
        if self.others:
            yield f"{counted(self.others, 'more step')} {'is' if self.others == 1 else 'are'} not final"


def _sentences(path: Sequence[ExplainedStep]) -> Iterator[str]:
    """Yield a sentence for each step; steps that wait for nothing but the next one share one."""
    chained = ""
    for one, following in zip_longest(path, path[1:]):
        if following is not None and one.why == str(WaitsForSteps(steps=(following.step,))):
            chained += f", that for {following.step!r}" if chained else str(one)
            continue
        if chained:
            yield chained
            chained = ""
        if following is not None and isinstance(one.cause, _ENDED_BY):
            yield f"step {one.step!r} {one.cause.brief}"
        else:
            yield str(one)
    if chained:
        yield chained


def explained(facts: Facts, step: str | None) -> Explanation:
    """Return the explanation of the step that was asked about, or of the whole workflow without one."""
    known = _Known(facts)
    if step is None:
        return _whole(facts, known)
    target = known.steps[facts.targets[0]]
    way = _way(target, known)
    shown = [known.explained(one) for one in way if not one.is_own][:HOPS]
    between = max(0, len([one for one in way if not one.is_own]) - HOPS)
    on_way = {one.id for one in way}
    roots = [known.explained(one) for one in known.roots(target) if one.id not in on_way][:NAMED]
    is_more = bool(between) and _leads_on(way[-1], known)
    if between and not is_more:
        roots = [known.explained(way[-1]), *roots][:NAMED]
        between -= 1
    return Explanation(facts.id, target.name, target.state, shown[0].cause, shown, between, is_more, roots, 0)


def explained_each(facts: Facts) -> dict[int, ExplainedStep]:
    """Return why each step is where it is that was asked about, by id."""
    known = _Known(facts)
    return {step: known.explained(known.steps[step]) for step in facts.targets if step in known.steps}


class _Known:
    """The steps that were read, with their causes as they are asked for."""

    def __init__(self, facts: Facts) -> None:
        self.steps = {step.id: step for step in facts.steps}
        self._queues = {queue.name: queue for queue in facts.queues}
        self._is_cancelled = facts.state == "cancelled" or (
            facts.ending is not None and facts.ending.state == "cancelled"
        )

    def cause(self, step: StepFacts) -> Cause:
        match step.state:
            case "completed" | "cancelled" | "discarded" | "skipped" as state:
                return cause_of_final(step, state, is_cancelled_whole=self._is_cancelled)
            case _:
                return cause_of_unfinished(step, self.steps, self._queues)

    def explained(self, step: StepFacts) -> ExplainedStep:
        return ExplainedStep(step.name, step.state, self.cause(step), step.starts_within, step.ends_within)

    def next(self, step: StepFacts) -> Sequence[StepFacts]:
        if step.children is not None and (gate := closed_gate(step, self.steps)) is not None:
            return [gate]
        return [self.steps[one] for one in step.next if one in self.steps]

    def roots(self, target: StepFacts) -> Sequence[StepFacts]:
        """Return what holds up a step that is not final and waits for no other step."""
        if target.state != "suspended":
            return []
        return [
            step
            for step in self.steps.values()
            if not self.next(step) and not step.is_own and step.state != "suspended"
        ]


def _leads_on(step: StepFacts, known: _Known) -> bool:
    return isinstance(known.cause(step), LeadsOn)


def _way(target: StepFacts, known: _Known) -> Sequence[StepFacts]:
    """Return the shortest way from a step to a root, or, if none was read, the longest way that was."""
    if (ended_by := _ended_by(target, known)) is not None:
        return [target, *ended_by]
    if target.state != "suspended":
        return [target]
    came_from: dict[int, int | None] = {target.id: None}
    to_come = deque([target])
    last = target
    while to_come:
        last = to_come.popleft()
        if last.state != "suspended" or not known.next(last):
            break
        for one in known.next(last):
            if one.id not in came_from:
                came_from[one.id] = last.id
                to_come.append(one)
    return _back(last, came_from, known)


def _back(last: StepFacts, came_from: Mapping[int, int | None], known: _Known) -> Sequence[StepFacts]:
    way = [last]
    while (before := came_from[way[-1].id]) is not None:
        way.append(known.steps[before])
    return way[::-1]


def _ended_by(target: StepFacts, known: _Known) -> Sequence[StepFacts] | None:
    """Return the step that made another one end, and what made that one end, if they were read."""
    way: list[StepFacts] = []
    seen = {target.id}
    step = target
    while isinstance(cause := known.cause(step), _ENDED_BY):
        name = cause.group if isinstance(cause, EndedByGroup) else cause.step
        found = next((one for one in known.steps.values() if one.name == name and one.id not in seen), None)
        if found is None:
            break
        seen.add(found.id)
        way.append(found)
        step = found
    return way or None


_CONSEQUENCES = (EndedByStep, EndedByChild, EndedByGroup, ScopeEnded)
_BLOCKED = (RunPaused, WorkerPaused, LanePaused, QueuePaused, NotServed, NoPoolForWorker, NoPoolForArguments)


def _whole(facts: Facts, known: _Known) -> Explanation:
    steps = [known.steps[one] for one in facts.targets if one in known.steps]
    held_up = [known.explained(step) for step in steps if not step.is_own]
    if facts.state == "executing":
        # What needs somebody comes first, then what failed.
        held_up.sort(
            key=lambda one: 0 if isinstance(one.cause, _BLOCKED) else 1 if isinstance(one.cause, Retries) else 2
        )
    else:
        # What ended because of another step is no reason of its own.
        reason = (facts.ending and facts.ending.reason) or ""
        held_up = [
            one
            for one in held_up
            if not isinstance(one.cause, _CONSEQUENCES) and not reason.startswith(f"step {one.step!r} was ")
        ] or ([] if reason else held_up)
    others = max(0, facts.remaining - len(held_up[:NAMED]))
    return Explanation(facts.id, None, facts.state, _run_cause(facts), [], 0, False, held_up[:NAMED], others)


def _run_cause(facts: Facts) -> RunCause:
    reason = None if facts.ending is None else facts.ending.reason
    match facts.state:
        case "executing" if facts.ending is not None:
            return RunBeingEnded(verdict=facts.ending.state, reason=reason, unfinished=facts.remaining)
        case "executing":
            return RunExecutes(unfinished=facts.remaining)
        case "completed":
            return RunCompleted()
        case "failed":
            return RunFailed(reason=reason)
        case "cancelled":
            call = facts.call
            return (
                RunCancelled() if call is None else RunCancelled(reason=call.reason, actor=call.actor, role=call.role)
            )
