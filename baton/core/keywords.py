"""A misspelt keyword of a public function is answered with the nearest one, as Python does itself from 3.13."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from baton.errors.texts import did_you_mean

P = ParamSpec("P")
R = TypeVar("R")


def suggests_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function with a hint in its `TypeError` for a keyword that it does not take."""
    if sys.version_info >= (3, 13):
        return function
    code = function.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    @functools.wraps(function)
    def suggesting(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            hints = [hint for name in kwargs if name not in known and (hint := did_you_mean(name, known))]
            if not hints:
                raise
            raise TypeError(f"{error}{hints[0]}") from None

    return suggesting
