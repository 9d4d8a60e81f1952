"""One line of what `baton doctor` answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]
LEVELS: tuple[Level, ...] = ("ok", "warning", "problem")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer."""

    level: Level
    check: str
    fact: str
    remedy: str = ""
    """Empty for what is ok."""


def worst(findings: Sequence[Finding]) -> Level:
    """Return the worst level found."""
    return max((finding.level for finding in findings), key=LEVELS.index, default="ok")
