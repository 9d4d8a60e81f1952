"""What is said below a step in a drawing of its workflow: why it is where it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from baton.cli.text import cut, one_line
from baton.core.causes import (
    AboutToEnd,
    AboutToStart,
    Cause,
    Completed,
    EndedByCaller,
    EndedByChild,
    EndedByGroup,
    EndedByStep,
    Executing,
    PoolSilent,
    Scheduled,
    WaitsForChildren,
    WaitsForGroup,
    WaitsForSteps,
    WaitsForTime,
    WaitsForVerdict,
)
from baton.core.explaining.explanation import ExplainedStep
from baton.database.step_records import StepRecord

WIDEST_REMARK = 200


def remarks(step: StepRecord, explained: ExplainedStep | None, drawn: Collection[str]) -> Iterator[str]:
    """Yield why a step is where it is, and its last error if that does not say it, each in one line.

    Nothing is said of what the drawing shows by itself. Of a step that ended because of another one that is `drawn`,
    the reason of that one is left out.
    """
    if explained is not None and not _is_seen(explained.cause):
        yield _short(_without_root(explained, drawn))
    last = step.errors[-1] if step.errors else None
    if last is not None and step.state in ("scheduled", "cancelled", "executing"):
        yield _short(f"attempt {last.get('attempt')}: {last.get('error')}")


def _is_seen(cause: Cause) -> bool:
    """Return whether the drawing shows this by itself: edges, states, times, and the cancel of the whole workflow."""
    match cause:
        case Completed(by="caller"):
            return False
        case EndedByCaller(is_whole=is_whole):
            return is_whole
        case Scheduled(seconds_left=left):
            return left is not None
        case (
            WaitsForSteps() | WaitsForChildren() | WaitsForGroup() | WaitsForVerdict() | WaitsForTime() | Completed()
            | AboutToStart() | AboutToEnd() | Executing() | PoolSilent()
        ):  # fmt: skip
            return True
        case _:
            return False


def _without_root(explained: ExplainedStep, drawn: Collection[str]) -> str:
    match explained.cause:
        case EndedByStep(step=other) | EndedByChild(step=other) | EndedByGroup(group=other) as cause if other in drawn:
            return cause.brief
        case _:
            return explained.why


def _short(text: str) -> str:
    return cut(one_line(text), WIDEST_REMARK)
