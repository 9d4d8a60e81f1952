"""When each job began: a file that the processes of one measurement share, one slot a job.

The clock is the machine's monotonic one, which all its processes share. A slot that is still 0 belongs to a job that
has not run; so the marks count the jobs independently of the library, and time them.
"""

from __future__ import annotations

import mmap
import os
import time
from functools import cache
from pathlib import Path

VARIABLE = "BENCHMARK_MARKS"
SLOTS = 200_000


class Marks:
    """The slots, read and written in place."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self.slots = memoryview(mmap.mmap(file.fileno(), 0)).cast("d")
        self._complete = 0

    @classmethod
    def create(cls, folder: str) -> Marks:
        """Make an empty file, and pass its name to the processes that are started from now on."""
        path = Path(folder, "marks")
        path.write_bytes(bytes(8 * SLOTS))
        os.environ[VARIABLE] = str(path)
        return cls(path)

    def are_complete(self, count: int) -> bool:
        """Whether the first `count` jobs have begun. Reads each slot only once over all calls."""
        while self._complete < count and self.slots[self._complete]:
            self._complete += 1
        return self._complete >= count

    def clear(self) -> None:
        self.slots[:] = memoryview(bytes(8 * SLOTS)).cast("d")
        self._complete = 0


@cache
def _slots() -> memoryview:
    return Marks(Path(os.environ[VARIABLE])).slots


def mark(number: int) -> None:
    """Called by each job when it begins; a job does nothing else."""
    _slots()[number] = time.monotonic()
