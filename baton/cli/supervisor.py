"""`baton worker --processes N`: a parent that keeps so many worker processes running.

It starts them, starts others for those that die, hands signals on, tells of their health at one place, and ends when
all have ended. It imports no module of the application and talks to no database, so little can end it; and if something
does, its workers notice (see tether.py).
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

from baton.cli.health import Listening, endpoint
from baton.cli.restarts import Restarts, described, exit_code, is_hopeless
from baton.cli.supervisor_link import CLEANUP_SECONDS
from baton.tasks import Tasks, wait_for_event

log = logging.getLogger("baton.supervisor")

SILENT_SECONDS = 5.0
"""A worker that has told nothing for so long has a blocked event loop, or is stopped."""
NOT_STARTED = 71


@dataclass(eq=False)
class Slot:
    """The place of one worker process, whichever fills it at the time."""

    number: int
    process: Process | None = None
    restarts: Restarts = field(default_factory=Restarts)
    facts: Mapping[str, object] = field(default_factory=dict)
    """What it told last; empty before it told anything."""
    told_at: float = 0.0
    was_ready: bool = False
    """Whether this process ever was."""

    def tell(self, now: float) -> dict[str, object]:
        silent = round(now - self.told_at, 3) if self.facts else None
        is_ready = self.facts.get("ready") is True and silent is not None and silent < SILENT_SECONDS
        pid = self.process.pid if self.process is not None else None
        return {**self.facts, "ready": is_ready, "pid": pid, "silent_seconds": silent, "restarts": self.restarts.ended}


class Supervisor:
    """Keeps `count` processes of one command running, until a signal or a hopeless start.

    Args:
        command: what a worker is started with; `--tether` is added.
        grace_seconds: the grace of each worker. One that runs much longer than that after a signal is killed.
    """

    def __init__(self, command: Sequence[str], count: int, grace_seconds: float) -> None:
        self._command = command
        self._limit_seconds = grace_seconds + CLEANUP_SECONDS
        self._slots = [Slot(number) for number in range(1, count + 1)]
        self._stopping = asyncio.Event()
        self._codes: list[int] = []
        self._was_any_ready = False
        self._tasks = Tasks()
        self._clock = asyncio.get_running_loop().time

    async def run(self, listening: Listening | None) -> int:
        """Run until all processes have ended for good, and return the exit code that speaks for them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._obey, number)
        try:
            async with endpoint(listening, self.tell):
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

    def tell(self) -> Mapping[str, object]:
        """Return how all of it is: ready when each process is."""
        processes = [slot.tell(self._clock()) for slot in self._slots]
        is_ready = not self._stopping.is_set() and all(process["ready"] for process in processes)
        return {"ready": is_ready, "is_draining": self._stopping.is_set(), "pid": os.getpid(), "processes": processes}

    async def _keep(self, slot: Slot) -> None:
        while not self._stopping.is_set():
            began = self._clock()
            code = await self._live(slot)
            if self._stopping.is_set():
                # Asked to drain before it could hear: there was nothing to drain.
                self._codes.append(0 if code == -signal.SIGTERM and not slot.was_ready else code)
                return
            if is_hopeless(code, was_any_ready=self._was_any_ready):
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
        with ExitStack() as ours:
            life, _heartbeat = _pipe(ours, kept=1)
            reports, reporting = _pipe(ours, kept=0)
            try:
                slot.process = await create_subprocess_exec(
                    *self._command,
                    *("--tether", f"{life},{reporting}"),
                    stdin=DEVNULL,
                    pass_fds=(life, reporting),
                    # The terminal's Ctrl-C is for us to hand on: sent to all at once it would count twice.
                    process_group=0,
                )
            except OSError as error:
                log.error("worker process %d cannot be started: %s", slot.number, error)
                return NOT_STARTED
            finally:
                os.close(life)
                os.close(reporting)
            loop.add_reader(reports, self._hear, slot, reports, bytearray())
            ours.callback(loop.remove_reader, reports)
            log.info("worker process %d runs as pid %d", slot.number, slot.process.pid)
            if self._stopping.is_set():
                _signal(slot, signal.SIGTERM)
            try:
                return await slot.process.wait()
            finally:
                slot.process, slot.facts = None, {}

    def _hear(self, slot: Slot, reports: int, heard: bytearray) -> None:
        said = os.read(reports, 65536)
        if not said:
            asyncio.get_running_loop().remove_reader(reports)
        heard += said
        *lines, rest = bytes(heard).split(b"\n")
        heard[:] = rest
        for line in lines:
            # A line that a full pipe cut short says nothing; the next one does.
            with suppress(ValueError):
                slot.facts = json.loads(line)
                slot.told_at = self._clock()
                slot.was_ready = slot.was_ready or slot.facts.get("ready") is True
                self._was_any_ready = self._was_any_ready or slot.was_ready

    def _obey(self, number: signal.Signals) -> None:
        if self._stopping.is_set():
            log.warning("%s again: what runs is given back now", number.name)
            self._hand_on()
        else:
            self._stop(f"{number.name}: draining")

    def _stop(self, why: str) -> None:
        log.info(why)
        self._stopping.set()
        self._hand_on()
        self._tasks.start(self._end(), name="baton supervisor limit")

    def _hand_on(self) -> None:
        for slot in self._slots:
            _signal(slot, signal.SIGTERM)

    async def _end(self) -> None:
        await asyncio.sleep(self._limit_seconds)
        for slot in self._slots:
            if slot.process is not None:
                log.error("worker process %d has not drained within %.0f s: killed", slot.number, self._limit_seconds)
                _signal(slot, signal.SIGKILL)


def _pipe(ours: ExitStack, kept: int) -> tuple[int, int]:
    """Make a pipe of which one end stays ours."""
    ends = os.pipe()
    ours.callback(os.close, ends[kept])
    return ends


def _signal(slot: Slot, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if slot.process is not None:
            slot.process.send_signal(number)


def this_program(arguments: Sequence[str]) -> list[str]:
    """Return the command that runs `baton` with these arguments, by this interpreter and from this installation."""
    # -P: a folder of the current directory that is called baton is not the library.
    return [sys.executable, "-P", "-m", "baton", *arguments]
