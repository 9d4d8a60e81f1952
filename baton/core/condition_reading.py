"""Read a condition from the JSON form in which it is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import Any

import msgspec

from baton.core.conditions import (
    MOST_NESTED_CONDITIONS,
    All,
    AnyOf,
    Compare,
    Condition,
    ConditionSpec,
    In,
    Not,
    Operand,
    OperandSpec,
    ResultOf,
    ResultPart,
    State,
    checked_key,
    failed,
    succeeded,
)
from baton.core.references import Reference

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


def read_condition(plain: object, depth: int = 1) -> Condition:
    """Return the condition of a JSON value, checked as one that is written in Python.

    Raises `TypeError` and `msgspec.ValidationError`.
    """
    if depth > MOST_NESTED_CONDITIONS:
        raise TypeError(f"a condition is nested at most {MOST_NESTED_CONDITIONS} deep")
    spec: ConditionSpec = msgspec.convert(plain, ConditionSpec)
    match spec:
        case Compare(left, operator, right):
            condition: Condition = _OPERATORS[operator](_operand(left), right)
            return condition
        case In(left, values):
            return _operand(left).in_(values)
        case All(members) | AnyOf(members):
            if not members:
                raise TypeError("a condition with no members means nothing")
            joined: Condition = reduce(
                and_ if isinstance(spec, All) else or_, [read_condition(member, depth + 1) for member in members]
            )
            return joined
        case Not(member):
            return ~read_condition(member, depth + 1)
        case _:
            return (failed if spec.__struct_config__.tag == "failed" else succeeded)(*spec.steps)


def _operand(spec: OperandSpec) -> Operand:
    match spec:
        case ResultOf(step, ()):
            return Reference(step)
        case ResultOf(step, path):
            return ResultPart(step, tuple(map(checked_key, path)))
        case spec:
            return State(spec.step)
