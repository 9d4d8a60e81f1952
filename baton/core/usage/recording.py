"""What a worker records of a call: what the answer says, and what the worker and its model map say besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict, replace

from baton.core.names import UNSTORABLE
from baton.core.usage.call_usage import Usage
from baton.core.usage.shapes import usages_of

MOST_CHARACTERS = 200
_TEXTS = ("model", "model_asked", "provider", "finish_reason")


def recorded(answer: object, said: Mapping[str, Any], model: str | None) -> list[Usage]:
    """Return what is recorded for an answer, one element a call.

    `said` goes before what the answer says. `model` is that of the step's model map. Raises `InvalidUsage`.
    """
    return [_recorded(usage, said, model) for usage in usages_of(answer)]


def _recorded(usage: Usage, said: Mapping[str, Any], model: str | None) -> Usage:
    # Made anew, so that what was said is checked as well.
    whole = Usage(**{**asdict(usage), **said})
    asked = whole.model_asked or model or whole.model
    answered = whole.model or asked
    texts = {name: getattr(whole, name) for name in _TEXTS} | {"model": answered, "model_asked": asked}
    return replace(whole, **{name: _storable(text) for name, text in texts.items()})


def _storable(text: str | None) -> str | None:
    return None if text is None else UNSTORABLE.sub("?", text)[:MOST_CHARACTERS]
