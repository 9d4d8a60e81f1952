"""How far an attempt is, as its worker says."""

from __future__ import annotations

import json
import math

from baton.core.names import UNSTORABLE
from baton.errors import InvalidOption

MOST_CHARACTERS = 200


def progress_json(fraction: object, message: object) -> str:
    """Return it as JSON: `fraction` within 0 and 1, and a message that can be stored. Raises `InvalidOption`."""
    is_number = isinstance(fraction, int | float) and not isinstance(fraction, bool) and not math.isnan(fraction)
    if fraction is not None and not is_number:
        raise InvalidOption("fraction", fraction, "it must be a number from 0 to 1, or None")
    if not isinstance(message, str | None):
        raise InvalidOption("message", message, "it must be a string")
    within = None if not isinstance(fraction, int | float) else min(1.0, max(0.0, fraction))
    text = None if message is None else UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", message[:MOST_CHARACTERS])
    return json.dumps({"fraction": within, "message": text})
