"""What ties a worker process to the supervisor that started it: two pipes.

Through the one the worker tells how it is, a line of JSON a second. Nothing is ever said on the other; that it ends is
how the worker learns that its supervisor is gone, however that went, and drains: no orphan is left.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

log = logging.getLogger("baton.worker")

REPORT_SECONDS = 1.0
CLEANUP_SECONDS = 20.0
"""How long a drain may take beyond its grace: to end what was cancelled, to send the last outcomes, to sign off."""
ORPHANED = 71


@dataclass(frozen=True, slots=True)
class SupervisorLink:
    """A worker's ends of the two pipes."""

    life: int
    reports: int

    def watch(self, grace_seconds: float) -> None:
        """Drain this process when its supervisor is gone, and end it at the latest when the grace is over."""
        for descriptor in (self.life, self.reports):
            # Made inheritable for us; processes of our own must not keep the supervisor's pipes open.
            os.set_inheritable(descriptor, False)
        # A thread, so that the import of the module, or a step that blocks the event loop, does not make us deaf.
        threading.Thread(target=self._wait, args=(grace_seconds,), name="baton tether", daemon=True).start()

    def _wait(self, grace_seconds: float) -> None:
        with suppress(OSError):
            os.read(self.life, 1)
        log.warning("the supervisor is gone: draining")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace_seconds + CLEANUP_SECONDS)
        os._exit(ORPHANED)

    async def report(self, look: Callable[[], Mapping[str, object]]) -> None:
        """Tell how the process is, for ever."""
        os.set_blocking(self.reports, False)
        while True:
            line = json.dumps(look(), default=str).encode() + b"\n"
            # A pipe that is full or broken loses a report, and the next one says the same.
            with suppress(OSError):
                os.write(self.reports, line)
            await asyncio.sleep(REPORT_SECONDS)


def parse_supervisor_link(text: str) -> SupervisorLink:
    """Read the two descriptors, as the supervisor puts them on the command line."""
    life, reports = text.split(",")
    return SupervisorLink(int(life), int(reports))
