"""What connects a worker process with the supervisor that started it: two pipes.

Through one the worker reports its health, as a line of JSON a second. Nothing is ever written to the other: that it
ends tells the worker that its supervisor is gone, however that happened. The worker then drains, so no orphan is left.
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

log = logging.getLogger("baton.worker")

REPORT_SECONDS = 1.0
METRICS = "metrics"
"""Under this name a report has the metrics of the process."""
CLEANUP_SECONDS = 20.0
"""How long a drain may take beyond its grace: to end what was cancelled, to send the last outcomes, to sign off."""
ORPHANED = 71


class SupervisorLink:
    """A worker's ends of the two pipes.

    `grace_seconds` is how long this process may run once its supervisor is gone, besides `CLEANUP_SECONDS`.
    """

    def __init__(self, life: int, reports: int) -> None:
        self.life = life
        self.reports = reports
        self.grace_seconds = 0.0

    def watch(self, grace_seconds: float) -> None:
        """Drain this process when its supervisor is gone, and end it at the latest when the grace is over."""
        self.grace_seconds = grace_seconds
        for descriptor in (self.life, self.reports):
            # The supervisor made them inheritable for us; our own child processes must not keep the
            # pipes open.
            os.set_inheritable(descriptor, False)
        # A thread, because an import of the module, or a step, may block the event loop.
        threading.Thread(target=self._wait, name="baton supervisor link", daemon=True).start()

    def _wait(self) -> None:
        with suppress(OSError):
            os.read(self.life, 1)
        log.warning("the supervisor is gone: draining")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(self.grace_seconds + CLEANUP_SECONDS)
        os._exit(ORPHANED)

    async def report(self, facts: Callable[[], Mapping[str, object]]) -> None:
        """Report what `facts` returns, again and again, until cancelled."""
        os.set_blocking(self.reports, False)
        while True:
            line = json.dumps(facts(), default=str).encode() + b"\n"
            # A report that a full or broken pipe loses is made up for by the next one.
            with suppress(OSError):
                os.write(self.reports, line)
            await asyncio.sleep(REPORT_SECONDS)


def parse_supervisor_link(text: str) -> SupervisorLink:
    """Read the two descriptors, as the supervisor puts them on the command line."""
    life, reports = text.split(",")
    return SupervisorLink(int(life), int(reports))
