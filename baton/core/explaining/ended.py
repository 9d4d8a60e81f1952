"""The cause of a step that is final."""

from __future__ import annotations

import re
from collections.abc import Iterator

from baton.core.causes import (
    AttemptsUsedUp,
    Cause,
    Completed,
    ConditionFalse,
    ConditionFault,
    DeadlinePassed,
    EndedByCaller,
    EndedByChild,
    EndedByGroup,
    EndedByStep,
    EndedByWorker,
    EndedOtherwise,
    NeverFitted,
    NothingCame,
    NothingToCleanUp,
    NotNeeded,
    RunEnded,
    ScopeEnded,
    TooManyLost,
    Verdict,
)
from baton.core.conditions import written
from baton.core.explaining.facts import StepFacts
from baton.core.states import FinalStepState

# How the engine writes its reasons, each in one place of sql/functions.
_UPSTREAM = re.compile(r"step '(?P<step>.*?)' upstream was (?P<state>\w+)(?:: (?P<reason>.*))?", re.DOTALL)
_CHILD = re.compile(
    r"(?:(?P<alike>\d+ of its \d+ children were \w+); first )?"
    r"step '(?P<step>.*?)' was (?P<state>cancelled|discarded|skipped)(?:: (?P<reason>.*))?",
    re.DOTALL,
)
_GROUP = re.compile(r"its workflow was (?P<state>\w+)(?:[:;] (?P<reason>.*))?", re.DOTALL)
_SCOPE = re.compile(r"(?:the workflow|step '(?P<scope>.*?)') was ended: (?P<reason>.*)", re.DOTALL)
_NEEDS = re.compile(r"it needs \d+ of its |\d+ of its \d+ children failed, and it tolerates ")
_FIRST = re.compile(
    r"(?P<verdict>.*?); (?:first )?"
    r"step '(?P<step>.*?)' was (?P<state>cancelled|discarded|skipped)(?:: (?P<reason>.*))?",
    re.DOTALL,
)
_FALSE, _FAULT, _UNNEEDED = "its condition does not hold: ", "its condition cannot be evaluated: ", "no longer needed: "
_NOTHING = ("nothing of its workflow had begun", "nothing that it waits for failed")
_LOST = "too many of its attempts were lost"


def cause_of_final(step: StepFacts, state: FinalStepState, *, is_cancelled_whole: bool) -> Cause:
    """Return why a step ended as it did. `is_cancelled_whole`: so did its workflow, by a cancel."""
    if state == "completed":
        return _completed(step)
    for cause in (*_by_reason(step, state), *_by_wait(step, state), *_by_attempt(step, state)):
        return cause
    if state == "discarded":
        return EndedOtherwise(state=state, reason=step.reason or "no reason was recorded")
    call = step.call
    if call is None:
        return EndedByCaller(state=state, is_whole=is_cancelled_whole and state == "cancelled", reason=step.reason)
    return EndedByCaller(state=state, is_whole=call.is_whole, reason=step.reason, actor=call.actor, role=call.role)


def _completed(step: StepFacts) -> Cause:
    if step.call is not None and step.call.action == "complete":
        return Completed(by="caller", reason=step.call.reason, actor=step.call.actor, role=step.call.role)
    if step.children is not None:
        return Completed(by="children")
    if step.awaits is None:
        return Completed(by="worker", attempt=step.attempt)
    match step.awaits.type:
        case "signal" | "message" as kind:
            return Completed(by=kind if step.is_ripe or step.awaits.default is None else "default")
        case kind:
            return Completed(by=kind)


def _by_reason(step: StepFacts, state: FinalStepState) -> Iterator[Cause]:
    """Yield the cause that the engine wrote as the reason."""
    reason = step.reason or ""
    if step.condition is not None and reason.startswith((_FALSE, _FAULT)):
        condition = written(step.condition)
        if reason.startswith(_FALSE):
            yield ConditionFalse(condition=condition, read=reason.removeprefix(_FALSE))
        else:
            yield ConditionFault(condition=condition, fault=reason.removeprefix(_FAULT))
    elif step.not_needed:
        yield NotNeeded(reason=reason.removeprefix(_UNNEEDED))
    elif reason in _NOTHING and state == "skipped":
        yield NothingToCleanUp(reason=reason)
    elif (found := _SCOPE.fullmatch(reason)) is not None and state == "cancelled":
        yield ScopeEnded(scope=found["scope"], reason=found["reason"])
    elif (found := _GROUP.fullmatch(reason)) is not None and state in ("cancelled", "skipped"):
        yield EndedByGroup(state=state, group=step.group or step.name, reason=found["reason"])
    else:
        yield from _by_step(step, state, reason)


def _by_step(step: StepFacts, state: FinalStepState, reason: str) -> Iterator[Cause]:
    if (found := _UPSTREAM.fullmatch(reason)) is not None and state in ("cancelled", "skipped"):
        yield EndedByStep(state=state, step=found["step"], step_state=_final(found["state"]), reason=found["reason"])
    elif _NEEDS.match(reason):
        yield _verdict(state, reason)
    elif step.children is not None and (found := _CHILD.fullmatch(reason)) is not None:
        yield EndedByChild(
            state=state,
            step=found["step"],
            step_state=_final(found["state"]),
            reason=found["reason"],
            alike=found["alike"] or "",
        )
    elif step.children is not None and step.outcome == "joined":
        yield Verdict(state=state, reason=reason or "its children decided that")


def _verdict(state: FinalStepState, reason: str) -> Verdict:
    if (found := _FIRST.fullmatch(reason)) is None:
        return Verdict(state=state, reason=reason)
    return Verdict(
        state=state,
        reason=found["verdict"],
        step=found["step"],
        step_state=_final(found["state"]),
        step_reason=found["reason"],
    )


def _by_wait(step: StepFacts, state: FinalStepState) -> Iterator[Cause]:
    """Yield the cause of a step that waited in place of running a worker."""
    awaits, reason = step.awaits, step.reason or ""
    if awaits is None or not reason:
        return
    if awaits.type in ("signal", "message") and state == "discarded":
        yield NothingCame(what="signal" if awaits.type == "signal" else "message", seconds=awaits.seconds or 0.0)
    elif awaits.type == "run" and (state == "discarded" or reason.startswith(f"workflow '{awaits.id}' ")):
        yield RunEnded(state=state, run=awaits.id or "", reason=reason)


def _by_attempt(step: StepFacts, state: FinalStepState) -> Iterator[Cause]:
    """Yield the cause that an attempt is, or that there was none."""
    reason = step.reason or step.error or ""
    if state == "discarded" and step.error_kind == "deadline" and step.reason == step.error:
        if reason.startswith("it did not start"):
            yield DeadlinePassed(option="start_within", seconds=step.start_within or 0.0)
        else:
            yield DeadlinePassed(option="deadline", seconds=step.deadline or 0.0)
    elif step.outcome == state:
        yield EndedByWorker(state=state, reason=step.reason, attempt=max(1, step.attempt))
    elif state == "discarded" and step.outcome in ("failed", "lost"):
        if reason.startswith(_LOST):
            yield TooManyLost(reason=reason)
        else:
            yield AttemptsUsedUp(attempts=max(1, step.attempt), error=reason)
    elif state == "discarded" and step.outcome == "misfit":
        yield NeverFitted(fault=reason)


def _final(state: str) -> FinalStepState:
    match state:
        case "completed" | "cancelled" | "skipped":
            return state
        case _:
            return "discarded"
