"""How far a run is, drawn while it runs: a bar in a terminal, lines anywhere else."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TextIO, TypeVar

from baton.core.states import FINAL_STEP_STATES, FINAL_WORKFLOW_STATES
from baton.database.queries import Status
from baton.tasks import Tasks

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

BAR_SECONDS = 0.5
LINE_SECONDS = 5.0
"""Lines are kept, in a file perhaps: there are fewer of them."""


MOST_NAMED = 3
"""Of this many attempts it is shown how far their workers say they are."""


class Display(Protocol):
    """Where progress is drawn."""

    seconds: float
    """How often it is drawn."""

    def show(self, title: str, status: Status) -> None: ...
    def close(self) -> None: ...


async def follow(
    workflow_id: str,
    read: Callable[[], Awaitable[Status]],
    end: Callable[[], Awaitable[T]],
    stream: TextIO | None,
    seconds: float | None,
) -> T:
    """Draw what `read` returns until `end` returns, and once more then. Return and raise what `end` does."""
    display = display_on(sys.stderr if stream is None else stream)
    tasks = Tasks()

    async def ended() -> T | Exception:
        try:
            return await end()
        except Exception as error:  # noqa: BLE001 - raised below, and no failure of the task
            return error

    try:
        # Read first: a workflow that does not exist raises here.
        status = await read()
        waiting = tasks.start(ended(), name="baton progress")
        while True:
            display.show(status.name or workflow_id, status)
            if status.state in FINAL_WORKFLOW_STATES or (waiting.done() and isinstance(waiting.result(), Exception)):
                break
            await asyncio.wait([waiting], timeout=display.seconds if seconds is None else seconds)
            status = await read()
        if isinstance(outcome := await waiting, Exception):
            raise outcome
        return outcome
    finally:
        display.close()
        await tasks.aclose()


def display_on(stream: TextIO) -> Display:
    """Return a bar for a terminal, if rich is installed; else lines."""
    if stream.isatty() and _rich_is_installed():
        return Bar(stream)
    return Lines(stream)


def _rich_is_installed() -> bool:
    # A program that draws nothing does not import it.
    from importlib.util import find_spec

    return find_spec("rich") is not None


class Lines:
    """A line whenever something has changed."""

    seconds = LINE_SECONDS

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = ""

    def show(self, title: str, status: Status) -> None:
        if (text := in_words(status)) != self._last:
            self._last = text
            self._stream.write(f"{title}: {text}\n")
            self._stream.flush()

    def close(self) -> None:
        pass


class Bar:
    """A bar that is drawn over itself."""

    seconds = BAR_SECONDS

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._escape = escape
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
        )
        self._progress: Progress = Progress(*columns, console=Console(file=stream), auto_refresh=False)
        self._task = self._progress.add_task("", total=None, words="")
        self._progress.start()

    def show(self, title: str, status: Status) -> None:
        total = sum(status.counts.values())
        self._progress.update(
            self._task,
            description=self._escape(title),
            total=total,
            completed=_final(status),
            words=in_words(status),
        )
        self._progress.refresh()

    def close(self) -> None:
        self._progress.stop()


def in_words(status: Status) -> str:
    """Return how far a workflow is, as in `executing: 120 of 1,000 steps are final, 3 executing, 877 suspended`."""
    total = sum(status.counts.values())
    counted = [f"{count:,} {state}" for state, count in status.counts.items() if state != "completed"]
    said = [f"{step} {says}" for step, says in list(status.progress.items())[:MOST_NAMED]]
    return ", ".join([f"{status.state}: {_final(status):,} of {total:,} steps are final", *counted, *said])


def _final(status: Status) -> int:
    return sum(count for state, count in status.counts.items() if state in FINAL_STEP_STATES)
