"""The slot of an attempt that waits for another workflow, whose steps may need just that slot."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from baton.client.engine_in_use import running_attempt

if TYPE_CHECKING:
    from baton.client.engine import Engine

log = logging.getLogger("baton")


class HeldSlot:
    """Warns, once, of a wait that the waiting attempts themselves may keep from ending.

    Looks whether it is one after each lease of the pool that the wait has taken.
    """

    def __init__(self) -> None:
        self._attempt = running_attempt.get()
        self._loop = asyncio.get_running_loop()
        self._looks_at = self._next_look()

    @property
    def seconds_to_next_look(self) -> float:
        """How long the wait may go on undisturbed; infinite where no attempt is running, or the warning was given."""
        return max(0.0, self._looks_at - self._loop.time())

    async def look(self, engine: Engine, workflow_id: str, step: str | None) -> None:
        """Warn if what is waited for needs a slot of the queue in which the waiting attempt holds one."""
        attempt = self._attempt
        if attempt is None or self.seconds_to_next_look > 0:
            return
        self._looks_at = self._next_look()
        unfinished = await engine.explanations.unfinished(workflow_id, step)
        for one in unfinished.steps if unfinished else ():
            if one.full_queue == attempt.claimed.queue and engine.schema == attempt.engine.schema:
                log.warning(
                    "step %r of workflow %r waits for workflow %r, whose step %r %s, one of them by the waiting step: "
                    "if all of them wait like that, none ends; insert that workflow into another queue, or add it as a "
                    "step",
                    *(attempt.claimed.step, attempt.claimed.workflow_id, workflow_id, one.step, one.why),
                )
                self._attempt, self._looks_at = None, float("inf")
                return

    def _next_look(self) -> float:
        return float("inf") if self._attempt is None else self._loop.time() + self._attempt.lease_seconds
