"""Which attempts of a workflow leave debug records, as `Baton.new(debug=...)` says."""

from __future__ import annotations

from typing import Literal, TypeAlias
from uuid import UUID

from baton.errors import InvalidOption

DebugMode: TypeAlias = bool | float | Literal["errors"]
SMALLEST_RATE = 0.0001
GOLDEN_RATIO = 0x9E3779B1
"""Of 2^32."""


def checked_debug(given: object) -> DebugMode:
    """Return it if it is a mode: True, False, "errors", or a rate from 0 to 1. Raises `InvalidOption`."""
    if isinstance(given, bool) or given == "errors":
        return given
    if given in (0, 1):
        return bool(given)
    if isinstance(given, float) and SMALLEST_RATE <= given <= 1:
        return given
    raise InvalidOption("debug", given, 'it must be True, False, "errors", or a share of the attempts, as in 0.1')


def stored_debug(mode: DebugMode) -> str | None:
    """Return it as it is stored in `workflows.debug`: all, errors, or a rate; None for none."""
    if mode == "errors":
        return "errors"
    if not mode:
        return None
    return "all" if mode >= 1 else f"{mode:.6f}".rstrip("0")


def is_captured(stored: str, step_id: int, token: UUID) -> bool:
    """Return whether an attempt leaves debug records: of a rate, the same answer wherever it is asked."""
    if stored in ("all", "errors"):
        return True
    # One token may have claimed many steps. The golden ratio spreads their ids evenly.
    return (token.int + step_id * GOLDEN_RATIO) % 2**32 / 2**32 < float(stored)
