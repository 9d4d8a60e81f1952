"""What a function's annotations say, as far as they can be resolved in this process."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Annotated, Any, Never, NoReturn, Union, get_args, get_origin, get_type_hints

from baton.core.expansion import Expandable
from baton.core.returned import CONTROLS

UNANNOTATED = Any


class Annotations:
    """The annotations of one function.

    One that cannot be resolved, because its name is imported for the type checker only, stays the string it is; the
    others are resolved all the same.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._resolved = resolved_annotations(function)

    def written(self, name: str) -> Any:
        """Return the annotation of a parameter as it is written; None for none."""
        return self._resolved.get(name)

    def kind(self, name: str) -> Any:
        """Return the type of the values of a parameter; `Any` if its annotation says nothing about them."""
        return value_type(self._resolved.get(name, UNANNOTATED))

    @property
    def result(self) -> Any:
        """The return annotation without control types; `Any` if it says nothing."""
        return without_controls(self._resolved.get("return", UNANNOTATED))

    def remedy(self, name: str) -> str:
        """Return advice on how to keep a value's type, to be added to an error message."""
        what = "what the worker returns" if name == "return" else f"parameter {name!r}"
        annotation = self._resolved.get(name)
        if not isinstance(annotation, str):
            return f"; annotate {what} with its type"
        return (
            f"; the annotation of {what}, {annotation}, has a name that is not there at run time: define or import it "
            f"at the top of the module, outside of 'if TYPE_CHECKING'"
        )


def resolved_annotations(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function by parameter name, and under `return`; see `Annotations`."""
    raw: dict[str, Any] = dict(getattr(function, "__annotations__", {}))
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return get_type_hints(types.SimpleNamespace(__annotations__=raw), globalns=names, include_extras=True)
    except Exception:  # noqa: BLE001  # an annotation is an expression of the user's; it may raise anything
        return {name: _resolved_alone(name, annotation, names) for name, annotation in raw.items()}


def names_type(annotation: Any, kind: type) -> bool:
    """Return whether an annotation is `kind`, alone or in a union; of an unresolved one, whether its last word is."""
    if isinstance(annotation, str):
        return any(word.strip().rpartition(".")[2] == kind.__name__ for word in annotation.split("|"))
    if get_origin(annotation) is Annotated:
        return names_type(get_args(annotation)[0], kind)
    return annotation is kind or (_is_union(annotation) and kind in get_args(annotation))


def without_controls(annotation: Any) -> Any:
    """Return the type of the results of a worker: its return annotation without what only controls the step.

    `str | Snooze` is `str`. What is left out: the control values, and a `Baton`.
    """
    if get_origin(annotation) is Annotated and _is_union(get_args(annotation)[0]):
        return without_controls(get_args(annotation)[0])
    if _is_control(annotation):
        return UNANNOTATED
    if not _is_union(annotation):
        return value_type(annotation)
    kept = [member for member in get_args(annotation) if not _is_control(member)]
    return functools.reduce(lambda left, right: left | right, kept) if kept else UNANNOTATED


def value_type(annotation: Any) -> Any:
    """Return an annotation as a type that values can be converted to; `Any` for one that says nothing about them."""
    if isinstance(annotation, str) or annotation in (object, NoReturn, Never, inspect.Parameter.empty):
        return UNANNOTATED
    return annotation


def _resolved_alone(name: str, annotation: Any, names: dict[str, Any]) -> Any:
    holder = types.SimpleNamespace(__annotations__={name: annotation})
    try:
        return get_type_hints(holder, globalns=names, include_extras=True)[name]
    except Exception:  # noqa: BLE001  # as above
        return annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _is_control(annotation: Any) -> bool:
    is_graph = isinstance(annotation, type) and issubclass(annotation, Expandable)
    return is_graph or annotation in CONTROLS
