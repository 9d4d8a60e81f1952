"""What a condition says of steps that are final."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.model.ending_graph import Vertex
from tests.model.ending_plan import Both, Either, Failed, Negated, ResultIs, StateIs, Succeeded, When


def holds(when: When, scope: Mapping[str, Vertex]) -> bool | None:
    """Whether a condition holds; None if it cannot be evaluated."""
    match when:
        case ResultIs(step, operator, number, key):
            cause = scope[step]
            value = cause.plan.value if cause.state == "completed" and key == "n" else None
            return None if value is None else compared(value, operator, number)
        case StateIs(step, state):
            return scope[step].state == state
        case Failed(steps):
            causes = [scope[step] for step in steps]
            return any(
                cause.state == "discarded" or (cause.state == "cancelled" and not cause.not_needed) for cause in causes
            )
        case Succeeded(steps):
            return all(scope[step].state == "completed" for step in steps)
        case Both(first, second):
            held = holds(first, scope)
            return holds(second, scope) if held else held
        case Either(first, second):
            held = holds(first, scope)
            return holds(second, scope) if held is False else held
        case Negated(condition):
            held = holds(condition, scope)
            return None if held is None else not held


def compared(value: Any, operator: str, number: int) -> bool:
    match operator:
        case "==":
            return bool(value == number)
        case "!=":
            return bool(value != number)
        case "<":
            return bool(value < number)
        case _:
            return bool(value >= number)
