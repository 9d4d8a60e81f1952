"""The progress of a workflow, while it runs: bars on a terminal where `rich` is installed, else a line now and then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from baton.cli.terminal import STEP_STYLES, is_coloured, summed
from baton.core.states import StepState

if TYPE_CHECKING:
    from rich.live import Live


class Meter(Protocol):
    """Shows how far a workflow is."""

    def show(self, counts: Mapping[StepState, int], seconds: float) -> None:
        """Show the steps by state, and for how long it has run."""


@contextmanager
def meter(total: int) -> Iterator[Meter]:
    """Yield what shows the progress of a workflow of `total` steps."""
    if not is_coloured():
        yield _Printed(total)
        return
    from rich.live import Live

    with Live(refresh_per_second=12, transient=True) as live:
        yield _Drawn(live, total)


class _Printed:
    """A line every other second, and at the end."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._printed_at = 0.0

    def show(self, counts: Mapping[StepState, int], seconds: float) -> None:
        is_done = counts.get("completed", 0) == self._total
        if is_done or seconds - self._printed_at >= 2:
            self._printed_at = seconds
            print(f"{seconds:5.1f} s  {summed(counts)}", flush=True)


class _Drawn:
    """A bar for each state, redrawn in place."""

    def __init__(self, live: Live, total: int) -> None:
        self._live = live
        self._total = total

    def show(self, counts: Mapping[StepState, int], seconds: float) -> None:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        drawn = Table.grid(padding=(0, 2))
        for name, style in STEP_STYLES.items():
            if count := counts.get(name, 0):
                bar = ProgressBar(self._total, count, width=40, complete_style=style, finished_style=style)
                drawn.add_row(f"[{style}]{name}[/]", bar, str(count))
        drawn.add_row("", "", f"{seconds:.1f} s")
        self._live.update(drawn)
