"""Conditions as data: what `when=` takes, evaluated by the database when nothing is pending any more.

    .add("deep", scan.new(), when=(result_of("check")["score"] > 0.8) & (state_of("probe") == "completed"))

A condition is built by comparing what stands for a result or a state with a value, and by `&`, `|` and `~`. Python's
own `and`, `or`, `not`, `in` and chained comparisons ask for a truth value that does not exist yet, so they raise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NoReturn, TypeAlias

from msgspec import Struct

from baton.core.names import normalised

Key: TypeAlias = str | int
Comparison: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]
Scalar: TypeAlias = bool | int | float | str | None
Value: TypeAlias = Scalar | list[Scalar]

MOST_NESTED_CONDITIONS = 100
"""The database evaluates a condition by a function that calls itself."""
_REMEDY = "write & for 'and', | for 'or', ~ for 'not', and .in_([...]) for 'in', each side in parentheses"


class _NotYet:
    """Refuses Python operations that need the value now: it does not exist yet."""

    __slots__ = ()

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{self!r} has no truth value before the workflow runs; {_REMEDY}")

    def __contains__(self, _item: object) -> NoReturn:
        raise TypeError(f"'in' cannot be asked of {self!r} before the workflow runs; {_REMEDY}")

    def __iter__(self) -> NoReturn:
        raise TypeError(f"{self!r} cannot be iterated over before the workflow runs")


class Operand(_NotYet):
    """What can be compared in a condition: the result of a step, a part of it, or a step's state."""

    __slots__ = ()

    # By identity: `==` makes a condition and says nothing about being equal.
    def __hash__(self) -> int:
        return id(self)

    def operand(self) -> OperandSpec:
        """Return what the database looks up."""
        raise NotImplementedError

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return _compared(self, "==", other)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return _compared(self, "!=", other)

    def __lt__(self, other: object) -> Condition:
        return _compared(self, "<", other)

    def __le__(self, other: object) -> Condition:
        return _compared(self, "<=", other)

    def __gt__(self, other: object) -> Condition:
        return _compared(self, ">", other)

    def __ge__(self, other: object) -> Condition:
        return _compared(self, ">=", other)

    def in_(self, values: Iterable[Scalar]) -> Condition:
        """Hold if the value is one of these. Raises `TypeError` for values that JSON cannot carry as they are."""
        if isinstance(values, str | bytes | Operand) or not isinstance(values, Iterable):
            raise TypeError(f"in_ takes a list of values, not {type(values).__name__}")
        return Condition(In(self.operand(), [_scalar(value) for value in values]))


class Condition(_NotYet):
    """A test that the database makes of results and states."""

    __slots__ = ("depth", "spec")

    def __init__(self, spec: ConditionSpec, depth: int = 1) -> None:
        if depth > MOST_NESTED_CONDITIONS:
            raise TypeError(
                f"a condition is nested at most {MOST_NESTED_CONDITIONS} deep; combine the values in a step, and "
                f"compare its result"
            )
        self.spec = spec
        self.depth = depth
        """How many conditions are inside one another, this one included."""

    def __and__(self, other: object) -> Condition:
        right = _condition(other, "&")
        if isinstance(self.spec, All):
            return Condition(All([*self.spec.members, right.spec]), max(self.depth, right.depth + 1))
        return Condition(All([self.spec, right.spec]), max(self.depth, right.depth) + 1)

    def __or__(self, other: object) -> Condition:
        right = _condition(other, "|")
        if isinstance(self.spec, AnyOf):
            return Condition(AnyOf([*self.spec.members, right.spec]), max(self.depth, right.depth + 1))
        return Condition(AnyOf([self.spec, right.spec]), max(self.depth, right.depth) + 1)

    def __invert__(self) -> Condition:
        return Condition(Not(self.spec), self.depth + 1)

    def __repr__(self) -> str:
        return written(self.spec)


# What a condition is made of; the database reads it as JSON (sql/functions/evaluate_condition.sql).
class ResultOf(Struct, frozen=True, tag="result", tag_field="of"):
    """The result of a step, or the part of it under these keys and indices."""

    step: str
    path: tuple[Key, ...] = ()


class StateOf(Struct, frozen=True, tag="state", tag_field="of"):
    """The final state of a step."""

    step: str


OperandSpec: TypeAlias = ResultOf | StateOf


class Compare(Struct, frozen=True, tag="compare", tag_field="is"):
    left: OperandSpec
    operator: Comparison
    right: Any


class In(Struct, frozen=True, tag="in", tag_field="is"):
    left: OperandSpec
    values: list[Any]


class All(Struct, frozen=True, tag="all", tag_field="is"):
    members: list[Any]


class AnyOf(Struct, frozen=True, tag="any", tag_field="is"):
    members: list[Any]


class Not(Struct, frozen=True, tag="not", tag_field="is"):
    member: Any


class Failed(Struct, frozen=True, tag="failed", tag_field="is"):
    """One of these steps is discarded, or cancelled and not as no longer needed."""

    steps: tuple[str, ...]


class Succeeded(Struct, frozen=True, tag="succeeded", tag_field="is"):
    """All of these steps are completed."""

    steps: tuple[str, ...]


ConditionSpec: TypeAlias = Compare | In | All | AnyOf | Not | Failed | Succeeded


class State(Operand):
    """Stands for the final state of a step, in a condition or as an argument."""

    __slots__ = ("step",)

    def __init__(self, step: str) -> None:
        self.step = step

    def operand(self) -> StateOf:
        return StateOf(self.step)

    def __repr__(self) -> str:
        return f"state_of({self.step!r})"


class ResultPart(Operand):
    """Stands for a part of a step's result; only conditions take it."""

    __slots__ = ("path", "step")

    def __init__(self, step: str, path: tuple[Key, ...]) -> None:
        self.step = step
        self.path = path

    def __getitem__(self, key: Key) -> ResultPart:
        return ResultPart(self.step, (*self.path, checked_key(key)))

    def operand(self) -> ResultOf:
        return ResultOf(self.step, self.path)

    def __repr__(self) -> str:
        return written_operand(self.operand())


def state_of(step: str) -> Any:
    """Stand for the final state of another step: completed, cancelled, discarded or skipped.

    It observes the step: this one waits until that one is final, however it ends, and forgives nothing by it. It may
    be compared in `when=`, or be an argument of a job, which gets the state as text.
    """
    return State(_step_name("state_of", step))


def failed(*steps: str) -> Condition:
    """Hold if one of these steps is discarded, or cancelled and not as no longer needed. It observes them."""
    return Condition(Failed(_step_names("failed", steps)))


def succeeded(*steps: str) -> Condition:
    """Hold if all of these steps are completed. It observes them."""
    return Condition(Succeeded(_step_names("succeeded", steps)))


def results_in(spec: ConditionSpec) -> dict[str, None]:
    """Return the names of the steps whose results the condition reads, each once, in order."""
    return {operand.step: None for operand in _operands(spec) if isinstance(operand, ResultOf)}


def observed_in(spec: ConditionSpec) -> dict[str, None]:
    """Return the names of the steps whose states the condition reads, each once, in order."""
    return {operand.step: None for operand in _operands(spec) if isinstance(operand, StateOf)}


def comparisons_in(spec: ConditionSpec) -> Iterator[Compare | In]:
    """Yield every comparison in the condition."""
    for part in _parts(spec):
        if isinstance(part, Compare | In):
            yield part


def written(spec: ConditionSpec) -> str:
    """Return a condition as it is written in Python, with only the necessary parentheses."""
    match spec:
        case Compare(left, operator, right):
            return f"{written_operand(left)} {operator} {right!r}"
        case In(left, values):
            return f"{written_operand(left)}.in_({values!r})"
        case All(members):
            return " & ".join(f"({written(member)})" for member in members)
        case AnyOf(members):
            return " | ".join(f"({written(member)})" for member in members)
        case Not(member):
            return f"~({written(member)})"
        case Failed(steps):
            return f"failed({', '.join(map(repr, steps))})"
        case Succeeded(steps):
            return f"succeeded({', '.join(map(repr, steps))})"


def written_operand(operand: OperandSpec) -> str:
    match operand:
        case ResultOf(step, path):
            return f"result_of({step!r}){''.join(f'[{key!r}]' for key in path)}"
        case StateOf(step):
            return f"state_of({step!r})"


def checked_key(key: object) -> Key:
    """Return a key or an index into a result. Raises `TypeError` for anything else."""
    if isinstance(key, bool) or not isinstance(key, str | int) or (isinstance(key, int) and key < 0):
        raise TypeError(f"a part of a result is named by a key of text or an index from 0, not {key!r}")
    return key


def checked_condition(step: str, when: object) -> ConditionSpec:
    """Return what `when=` of a step was given. Raises `TypeError` for anything but a condition."""
    if isinstance(when, Condition):
        return when.spec
    hint = "compare it with a value, as in when=result_of('check') == True" if isinstance(when, Operand) else _HOW
    raise TypeError(f"when= of step {step!r} takes a condition, not {type(when).__name__}; {hint}")


_HOW = "write one as in when=result_of('check')['score'] > 0.8"


def _parts(spec: ConditionSpec) -> Iterator[ConditionSpec]:
    waiting: list[ConditionSpec] = [spec]
    while waiting:
        part = waiting.pop()
        yield part
        match part:
            case All(members) | AnyOf(members):
                waiting += reversed(members)
            case Not(member):
                waiting.append(member)
            case _:
                pass


def _operands(spec: ConditionSpec) -> Iterator[OperandSpec]:
    for part in _parts(spec):
        match part:
            case Compare(left=left) | In(left=left):
                yield left
            case Failed(steps) | Succeeded(steps):
                yield from map(StateOf, steps)
            case _:
                pass


def _compared(left: Operand, operator: Comparison, right: object) -> Condition:
    if isinstance(right, Operand | Condition):
        raise TypeError(f"a condition compares {left!r} with a value, and {right!r} is none yet")
    if isinstance(right, list | tuple):
        if operator not in ("==", "!="):
            raise TypeError(f"lists are compared with == and != alone, not with {operator}")
        return Condition(Compare(left.operand(), operator, [_scalar(item) for item in right]))
    value = _scalar(right)
    if operator not in ("==", "!=") and (value is None or isinstance(value, bool)):
        raise TypeError(f"{value!r} has no order; compare it with == or !=")
    return Condition(Compare(left.operand(), operator, value))


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__index__(value)
    if isinstance(value, float) and math.isfinite(value):
        return float.__float__(value)
    raise TypeError(f"a condition compares with None, bool, int, float, str and lists of these, not with {value!r}")


def _condition(value: object, operator: str) -> Condition:
    if isinstance(value, Condition):
        return value
    raise TypeError(f"{operator} joins conditions, and {value!r} is none; put each comparison in parentheses")


def _step_name(function: str, step: object) -> str:
    if not isinstance(step, str):
        raise TypeError(f"{function} takes the name of a step, not {type(step).__name__}")
    return normalised(step)


def _step_names(function: str, steps: Sequence[object]) -> tuple[str, ...]:
    if not steps:
        raise TypeError(f"{function} takes the names of one step or more")
    return tuple(dict.fromkeys([_step_name(function, step) for step in steps]))
