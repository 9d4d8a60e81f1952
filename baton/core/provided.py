"""Objects that the pool passes to its workers, such as clients: each is made once for all attempts."""

from __future__ import annotations

from inspect import Parameter
from typing import Annotated, Any, TypeVar, get_args, get_origin

from baton.core.annotations import Annotations

T = TypeVar("T")


class _Mark:
    """Marks a parameter that the pool fills, and `new` does not take."""

    def __repr__(self) -> str:
        return "provided"


_mark = _Mark()

Provided = Annotated[T, _mark]
"""Annotates a parameter that the worker pool fills: `client: Provided[HttpClient]`, from `WorkerPool(provide=...)`.

It is not an argument of `new`. To type checkers it is an ordinary parameter; give it the default `provided` for them.
"""

provided: Any = _mark
"""Default of a parameter that is `Provided[...]`; a pool always replaces it."""


def provided_type(annotation: Any) -> Any | None:
    """Return the type that an annotation asks the pool for; None if it asks for none."""
    if get_origin(annotation) is not Annotated or _mark not in get_args(annotation)[1:]:
        return None
    return get_args(annotation)[0]


def provided_types(parameters: tuple[Parameter, ...], annotations: Annotations) -> dict[str, Any]:
    """Return the types that the parameters of a worker ask the pool for, by parameter name."""
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
