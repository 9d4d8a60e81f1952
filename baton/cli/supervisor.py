"""`baton worker --processes N`: a parent that keeps N worker processes running.

It starts them, replaces those that die, forwards signals, answers for the health of all at one endpoint, and ends when
all have ended. It imports no module of the application and opens no connection to the database, so little can end it;
if something does, its workers notice (see supervisor_link.py).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, cast

from baton.cli.health import Listening, endpoint
from baton.cli.restarts import Restarts, described, exit_code, is_permanent
from baton.cli.supervisor_link import CLEANUP_SECONDS, METRICS
from baton.contrib.metric_families import Samples
from baton.runtime.signals import ending_signals
from baton.tasks import Tasks, wait_for_event

log = logging.getLogger("baton.supervisor")

SILENT_SECONDS = 5.0
"""A worker that has reported nothing for this long has a blocked event loop, or is stopped."""
NOT_STARTED = 71


@dataclass(eq=False)
class Slot:
    """The place of one worker process: the first, or one that replaced it."""

    number: int
    process: Process | None = None
    restarts: Restarts = field(default_factory=Restarts)
    facts: Mapping[str, object] = field(default_factory=dict)
    """Its last report; empty before the first."""
    reported_at: float = 0.0
    was_ready: bool = False
    """Whether this process ever was."""

    def health(self, now: float) -> dict[str, object]:
        """Return the last report, with what the supervisor knows."""
        silent = round(now - self.reported_at, 3) if self.facts else None
        is_ready = self.facts.get("ready") is True and silent is not None and silent < SILENT_SECONDS
        pid = self.process.pid if self.process is not None else None
        facts = {name: fact for name, fact in self.facts.items() if name != METRICS}
        return {**facts, "ready": is_ready, "pid": pid, "silent_seconds": silent, "restarts": self.restarts.ended}

    def samples(self) -> Samples:
        """Return the metrics of the last report; none before the first."""
        return Samples.from_json(cast("Mapping[str, Any]", self.facts.get(METRICS, {})))


class Supervisor:
    """Keeps `count` processes of one command running, until a signal, or until it is clear that none can start.

    Args:
        command: what a worker is started with; `--supervisor-link` is added.
        grace_seconds: the grace of a worker that has not reported its own.
        cleanup_seconds: a worker that still runs when its grace and these are over is killed.
    """

    def __init__(
        self, command: Sequence[str], count: int, grace_seconds: float, cleanup_seconds: float = CLEANUP_SECONDS
    ) -> None:
        self._command = command
        self._grace_seconds = grace_seconds
        self._cleanup_seconds = cleanup_seconds
        self._slots = [Slot(number) for number in range(1, count + 1)]
        self._stopping = asyncio.Event()
        self._codes: list[int] = []
        self._was_any_ready = False
        self._ended = Samples()
        """What processes had counted that have ended."""
        self._tasks = Tasks()
        self._clock = asyncio.get_running_loop().time

    async def run(self, listening: Listening | None) -> int:
        """Run until all processes have ended for good, and return the exit code that speaks for them."""
        loop = asyncio.get_running_loop()
        for number in ending_signals():
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            async with endpoint(listening, self.health, self.metrics):
                log.info("starting %d worker processes", len(self._slots))
                keeping = [
                    self._tasks.start(self._keep(slot), name=f"baton slot {slot.number}") for slot in self._slots
                ]
                await asyncio.wait(keeping)
        finally:
            await self._tasks.aclose()
            for slot in self._slots:
                _signal(slot, signal.SIGKILL)
        log.info("all worker processes have ended")
        return exit_code(self._codes)

    def health(self) -> Mapping[str, object]:
        """Return the health of all processes: ready when each of them is."""
        processes = [slot.health(self._clock()) for slot in self._slots]
        is_ready = not self._stopping.is_set() and all(process["ready"] for process in processes)
        return {"ready": is_ready, "is_draining": self._stopping.is_set(), "pid": os.getpid(), "processes": processes}

    async def metrics(self) -> str:
        """Return the metrics of all processes, put together."""
        samples = Samples()
        samples.merge(self._ended)
        for slot in self._slots:
            samples.merge(slot.samples())
        return samples.text()

    async def _keep(self, slot: Slot) -> None:
        while not self._stopping.is_set():
            began = self._clock()
            code = await self._live(slot)
            if self._stopping.is_set():
                # The signal came before the process handled it: there was nothing to drain.
                self._codes.append(0 if code == -signal.SIGTERM and not slot.was_ready else code)
                return
            if is_permanent(code, was_any_ready=self._was_any_ready):
                self._codes.append(code)
                self._stop(f"worker process {slot.number} {described(code)} before any was ready: stopping")
                return
            slot.restarts = slot.restarts.after(self._clock() - began)
            pause = slot.restarts.pause_seconds()
            log.warning("worker process %d %s; another starts in %.1f s", slot.number, described(code), pause)
            await wait_for_event(self._stopping, pause)

    async def _live(self, slot: Slot) -> int:
        """Start a process, follow it to its end, and return its exit code."""
        loop = asyncio.get_running_loop()
        slot.was_ready = False
        with ExitStack() as kept_ends:
            life, _ = _pipe(kept_ends, kept=1)
            reports, reporting = _pipe(kept_ends, kept=0)
            try:
                slot.process = await create_subprocess_exec(
                    *self._command,
                    *("--supervisor-link", f"{life},{reporting}"),
                    stdin=DEVNULL,
                    pass_fds=(life, reporting),
                    # The terminal sends Ctrl-C to its whole group: workers in it would get the
                    # signal twice.
                    process_group=0,
                )
            except OSError as error:
                log.error("worker process %d cannot be started: %s", slot.number, error)
                return NOT_STARTED
            finally:
                os.close(life)
                os.close(reporting)
            loop.add_reader(reports, self._read_reports, slot, reports, bytearray())
            kept_ends.callback(loop.remove_reader, reports)
            log.info("worker process %d runs as pid %d", slot.number, slot.process.pid)
            if self._stopping.is_set():
                _signal(slot, signal.SIGTERM)
            try:
                return await slot.process.wait()
            finally:
                # A total that fell when a process ends would look as if all processes had begun
                # anew.
                self._ended.merge(slot.samples().totals())
                slot.process, slot.facts = None, {}

    def _read_reports(self, slot: Slot, reports: int, pending: bytearray) -> None:
        read = os.read(reports, 65536)
        if not read:
            asyncio.get_running_loop().remove_reader(reports)
        pending += read
        *lines, rest = bytes(pending).split(b"\n")
        pending[:] = rest
        for line in lines:
            # A full pipe cuts a line short, and it is no JSON; the next one is.
            with suppress(ValueError):
                slot.facts = json.loads(line)
                slot.reported_at = self._clock()
                slot.was_ready = slot.was_ready or slot.facts.get("ready") is True
                self._was_any_ready = self._was_any_ready or slot.was_ready

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stopping.is_set():
            log.warning("%s again: what runs is given back now", number.name)
            self._forward()
        else:
            self._stop(f"{number.name}: draining")

    def _stop(self, why: str) -> None:
        log.info(why)
        self._stopping.set()
        self._forward()
        for slot in self._slots:
            self._tasks.start(self._kill_after_limit(slot), name=f"baton supervisor limit {slot.number}")

    def _forward(self) -> None:
        for slot in self._slots:
            _signal(slot, signal.SIGTERM)

    async def _kill_after_limit(self, slot: Slot) -> None:
        # The grace of a pool that the application makes is known by its report alone.
        reported = slot.facts.get("grace_seconds")
        grace_seconds = reported if isinstance(reported, int | float) else self._grace_seconds
        limit_seconds = grace_seconds + self._cleanup_seconds
        await asyncio.sleep(limit_seconds)
        if slot.process is not None:
            log.error("worker process %d has not drained within %.0f s: killed", slot.number, limit_seconds)
            _signal(slot, signal.SIGKILL)


def _pipe(kept_ends: ExitStack, kept: int) -> tuple[int, int]:
    """Make a pipe, and close one of its ends with `kept_ends`."""
    ends = os.pipe()
    kept_ends.callback(os.close, ends[kept])
    return ends


def _signal(slot: Slot, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if slot.process is not None:
            slot.process.send_signal(number)


def this_program(arguments: Sequence[str]) -> list[str]:
    """Return the command that runs `baton` with these arguments, by this interpreter and from this installation."""
    # -P: a folder named baton in the current directory is not the library.
    return [sys.executable, "-P", "-m", "baton", *arguments]
