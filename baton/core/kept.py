"""Values that a worker keeps for its next attempts, as JSON text."""

from __future__ import annotations

from typing import Any

from baton.core import codec
from baton.core.round_trip import SCALARS, check, is_same_plain
from baton.errors import KeptNotJSON, NotJSON


def kept_text(worker: str, value: Any) -> str:
    """Return a value to be kept as JSON text. It comes back without a type, so it must be plain JSON.

    Raises `KeptNotJSON`.
    """
    try:
        text = codec.encode(value)
        if type(value) not in SCALARS:
            back = codec.decode(text)
            if not is_same_plain(value, back, is_flat=False, is_plain=True):
                check("$", value, back, "; a kept value has no annotation: keep plain lists, dicts, texts and numbers")
    except NotJSON as error:
        raise KeptNotJSON(worker, error.path, error.why) from error
    return text
