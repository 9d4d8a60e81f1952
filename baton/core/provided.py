"""What a worker gets from its pool besides a `Context`: things that are made once for all its attempts."""

from __future__ import annotations

from inspect import Parameter
from typing import Annotated, Any, TypeVar, get_args, get_origin

from baton.core.annotations import Annotations

T = TypeVar("T")


class _Mark:
    """Tells a parameter that the pool fills from one that `new` takes."""

    def __repr__(self) -> str:
        return "provided"


_mark = _Mark()

Provided = Annotated[T, _mark]
"""Annotates a parameter that the worker pool fills: `client: Provided[HttpClient]`, from `WorkerPool(provide=...)`.

It is no argument of `new`. For type checkers, which see an ordinary parameter, it may have the default `provided`.
"""

provided: Any = _mark
"""Default of a parameter that is `Provided[...]`; never seen by a worker that runs in a pool."""


def provided_type(annotation: Any) -> Any | None:
    """Return what an annotation wants of the pool; None if it wants nothing."""
    if get_origin(annotation) is not Annotated or _mark not in get_args(annotation)[1:]:
        return None
    return get_args(annotation)[0]


def provided_types(parameters: tuple[Parameter, ...], annotations: Annotations) -> dict[str, Any]:
    """Return what the parameters of a worker want of the pool, by parameter name."""
    wanted = {}
    for parameter in parameters:
        annotation = annotations.written(parameter.name)
        if isinstance(annotation, str) and "Provided[" in annotation:
            raise TypeError(
                f"parameter {parameter.name!r} is {annotation}, and one of its names is not there at run time: "
                f"import it outside of 'if TYPE_CHECKING'"
            )
        if (kind := provided_type(annotation)) is not None:
            if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
                raise TypeError(f"parameter {parameter.name!r} takes any number and cannot be Provided[...]")
            wanted[parameter.name] = kind
    return wanted


def told(kind: Any) -> str:
    """Return a type as it is written."""
    return kind.__name__ if isinstance(kind, type) else str(kind)
