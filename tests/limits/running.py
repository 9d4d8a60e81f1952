"""How many attempts run at once in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Running:
    """Counts the attempts that run, and remembers the most that ran at once."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.started: list[str] = []

    @contextmanager
    def attempt(self, lane: str = "") -> Iterator[None]:
        self.started.append(lane)
        for counted in {lane, "all"}:
            self.now[counted] += 1
            self.most[counted] = max(self.most[counted], self.now[counted])
        try:
            yield
        finally:
            for counted in {lane, "all"}:
                self.now[counted] -= 1
