"""A log of effects outside the database, written by many processes and read back by the test."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Effects:
    """An append-only file with one line per event; a line is written whole, in the order of the writes."""

    path: Path

    def write(self, **event: Any) -> None:
        """Append one event; the process that wrote it is added as `pid`."""
        line = json.dumps({"pid": os.getpid(), **event}) + "\n"
        # One write with O_APPEND: lines of several processes never mix, and a kill loses no line
        # that was written.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def read(self, **wanted: Any) -> list[dict[str, Any]]:
        """The events in the order they were written, those only whose values are the wanted ones."""
        if not self.path.exists():
            return []
        events = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [event for event in events if all(event.get(key) == value for key, value in wanted.items())]
