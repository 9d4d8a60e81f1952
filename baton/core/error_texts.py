"""The texts of errors as they are stored: never raising themselves, and without the values that were validated."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator

import msgspec

from baton.core.constraints import Unmet

_INPUT = re.compile(r"\[type=[^\n]*?(, input_value=[^\n]*)\]")


def text_of(error: BaseException, *, shows_input: bool = False) -> str:
    """Return what an error says; empty if it says nothing.

    The errors of Pydantic repeat the value that they refuse, which may be a secret: it is left out unless
    `shows_input`.
    """
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # __str__ is the user's code
        return "(this error has no text: its __str__ raises)"
    return text if shows_input or not _is_pydantic(error) else _without_input(text)


def misfit_text(error: Exception) -> str:
    """Return why arguments do not fit: what its annotations say, with a path, or the type and text of another error."""
    text = text_of(error)
    return text if isinstance(error, msgspec.MsgspecError | Unmet) else f"{type(error).__name__}: {text}"


def trace_of(error: BaseException, *, shows_input: bool = False) -> str | None:
    """Return the traceback of an error with its causes; None if it cannot be formatted."""
    try:
        text = "".join(traceback.format_exception(error))
        if shows_input:
            return text
        for line in {line for inner in _chain(error) if _is_pydantic(inner) for line in str(inner).splitlines()}:
            text = text.replace(line, _without_input(line))
    except Exception:  # noqa: BLE001  # an error's attributes are the user's code as well
        return None
    return text


def _without_input(text: str) -> str:
    return _INPUT.sub(lambda found: found.group().replace(found.group(1), ""), text)


def _is_pydantic(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in ("pydantic", "pydantic_core")


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
