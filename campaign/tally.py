"""What the campaign did and saw, counted by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, count: int = 1) -> None:
        self.counts[name] += count

    def missing(self, wanted: Mapping[str, int]) -> list[str]:
        """Return which counts are too low: a campaign in which a fault did not happen proves nothing about it."""
        return [
            f"only {self.counts[name]:,} {name}; this campaign needs at least {least:,}"
            for name, least in wanted.items()
            if self.counts[name] < least
        ]

    def lines(self) -> list[str]:
        return [f"  {count:>9,}  {name}" for name, count in sorted(self.counts.items())]
