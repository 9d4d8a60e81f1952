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
    """Warns, once, of a wait that may never end because the waiting attempts hold the slots.

    This is checked each time that the wait has taken another lease of the pool.
    """

    def __init__(self) -> None:
        self._attempt = running_attempt.get()
        self._loop = asyncio.get_running_loop()
        self._checks_at = self._next_check()

    @property
    def seconds_to_next_check(self) -> float:
        """How long to wait until then; infinite outside attempts, and once the warning was given."""
        return max(0.0, self._checks_at - self._loop.time())

    async def check(self, engine: Engine, workflow_id: str, step: str | None) -> None:
        """Warn if what is waited for needs a slot of the queue in which the waiting attempt holds one."""
        attempt = self._attempt
        if attempt is None or self.seconds_to_next_check > 0:
            return
        self._checks_at = self._next_check()
        if engine.schema != attempt.engine.schema:
            return
        from baton.core.causes import SlotsTaken  # few programs need it

        explanations = engine.explanations
        found = await (explanations.of_run(workflow_id) if step is None else explanations.of_step(workflow_id, step))
        for one in (*found.path, *found.roots) if found else ():
            if isinstance(one.cause, SlotsTaken) and one.cause.queue == attempt.claimed.queue:
                log.warning(
                    "step %r of workflow %r waits for workflow %r, whose step %r %s. The waiting step holds one of "
                    "these slots, and if all of them wait like that, none ends: insert that workflow into another "
                    "queue, or add it as a step",
                    *(attempt.claimed.step, attempt.claimed.workflow_id, workflow_id, one.step, one.why),
                )
                self._attempt, self._checks_at = None, float("inf")
                return

    def _next_check(self) -> float:
        return float("inf") if self._attempt is None else self._loop.time() + self._attempt.lease_seconds
