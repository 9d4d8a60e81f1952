"""The texts of errors as they are stored: never raising themselves, and without the values that were validated."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType

import msgspec

from baton.core.constraints import Unmet

input_is_shown: ContextVar[bool] = ContextVar("baton shows the input in errors", default=False)
"""Whether Pydantic's errors keep the value that they refuse, which may be a secret."""

_INPUT = re.compile(r", input_value=.*(?=, input_type=[^\]\n]*\])")
_PACKAGE = Path(__file__).parents[1]
_POOLS_OWN = (f"{_PACKAGE / 'core'}{os.sep}", f"{_PACKAGE / 'runtime'}{os.sep}")
_LIBRARIES = ("pydantic", "pydantic_core", "msgspec")
"""msgspec repeats the text of an error that a model raises while it is read."""


def text_of(error: BaseException) -> str:
    """Return what an error says; empty if it says nothing."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # __str__ is the user's code
        return "(this error has no text: its __str__ raises)"
    return _without_input(text) if _is_hidden(error) else text


def misfit_text(error: Exception) -> str:
    """Return why arguments do not fit: what its annotations say, with a path, or the type and text of another error."""
    text = text_of(error)
    return text if isinstance(error, msgspec.MsgspecError | Unmet) else f"{type(error).__name__}: {text}"


def trace_of(error: BaseException) -> str | None:
    """Return the traceback of an error with its causes; None if it cannot be formatted.

    It begins in the worker: the calls of the pool that lead there are left out.
    """
    try:
        text = "".join(traceback.format_exception(type(error), error, _from_worker(error.__traceback__)))
        for line in {line for inner in _chain(error) if _is_hidden(inner) for line in str(inner).splitlines()}:
            text = text.replace(line, _without_input(line))
    except Exception:  # noqa: BLE001  # an error's attributes are the user's code as well
        return None
    return text


def _from_worker(whole: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame that is not the pool's; the whole one if all are."""
    frame = whole
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(_POOLS_OWN):
        frame = frame.tb_next
    return frame or whole


def _without_input(text: str) -> str:
    return _INPUT.sub("", text)


def _is_hidden(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in _LIBRARIES and not input_is_shown.get()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, its causes and contexts, and the members of groups, each once."""
    seen: set[int] = set()
    open_: list[BaseException | None] = [error]
    while open_:
        inner = open_.pop()
        if inner is None or id(inner) in seen:
            continue
        seen.add(id(inner))
        yield inner
        open_ += [inner.__cause__, inner.__context__]
        if isinstance(inner, BaseExceptionGroup):
            open_ += inner.exceptions
