"""The methods of a run by which it is paused and resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from baton.core.names import checked_actor
from baton.database.start_pauses import pause_starts, resume_starts
from baton.errors import WorkflowNotFound

if TYPE_CHECKING:
    from baton.client.run import Run


class Pausing:
    """A mixin of `Run`."""

    async def pause(self, *, actor: str | None = None) -> bool:
        """Let no step of it start, in any pool, until it is resumed. Returns False if it was paused already.

        What runs goes on and settles, and what needs no worker goes on: timers, signals, deadlines. What becomes ready
        waits. A claim that is under way may still start steps. `actor` says who; see `interventions`.
        """
        run = cast("Run", self)
        engine = run.engine_to_ask()
        paused = await pause_starts(engine.store.calls, engine.schema, "run", run.id, checked_actor(actor))
        if paused is None:
            raise WorkflowNotFound(run.id)
        return paused

    async def resume(self, *, actor: str | None = None) -> bool:
        """Let its steps start again; pools are woken at once. Returns whether it was paused. `actor`: as in `pause`."""
        run = cast("Run", self)
        engine = run.engine_to_ask()
        resumed = await resume_starts(engine.store.calls, engine.schema, "run", run.id, checked_actor(actor))
        if resumed is None:
            raise WorkflowNotFound(run.id)
        return resumed
