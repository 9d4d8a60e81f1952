"""Upkeep that every pool does, in small batches and without a leader: stage what is due, rescue, prune."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta

from baton.database.connections import Connector, ReconnectingConnection, pause_before
from baton.database.messages import UpkeepResult
from baton.database.store import Store
from baton.events import Observers, UpkeepDone, UpkeepFailed
from baton.tasks import wait_for_event

LIMIT = 1000
"""How many entries or steps one part of a round touches."""
SHORTEST_PAUSE = 0.005
PAUSE_WHILE_HELD = 0.05


class Maintenance:
    """Calls `tick` when it is due: when an entry's time comes, and at least every `tick_seconds`.

    Args:
        sweep_seconds: how often to look for dead pools and old workflows as well.
        on_staged: called when something became available.
    """

    def __init__(
        self,
        dialing: Connector,
        schema: str,
        *,
        sweep_seconds: float,
        tick_seconds: float,
        keep: timedelta | None,
        on_staged: Callable[[], None],
        observers: Observers,
    ) -> None:
        self._line = ReconnectingConnection(dialing, "maintenance")
        self._store = Store(self._line, schema)
        self._sweep_seconds = sweep_seconds
        self._tick_seconds = tick_seconds
        self._keep = keep
        self._on_staged = on_staged
        self._observers = observers
        self._clock = asyncio.get_running_loop().time
        self._next_sweep = self._clock()
        self._next_tick = self._clock()
        self._sooner = asyncio.Event()

    def due_in(self, seconds: float) -> None:
        """An entry is due after so many seconds."""
        due = self._clock() + seconds
        if due < self._next_tick:
            self._next_tick = due
            self._sooner.set()

    async def run(self) -> None:
        """Do the upkeep, for ever."""
        failures = 0
        try:
            while True:
                try:
                    await self.run_once()
                    failures = 0
                except Exception as error:  # noqa: BLE001 - a loop; the next round tries again
                    self._observers.emit(UpkeepFailed(error))
                    self._next_tick = self._clock() + pause_before(failures)
                    failures += 1
                await self._wait()
        finally:
            await self._line.aclose()

    async def run_once(self) -> UpkeepResult:
        """Do one round, and note when the next is due."""
        began = self._clock()
        sweeps = began >= self._next_sweep
        self._next_tick = began + self._tick_seconds * random.uniform(0.8, 1.0)
        ticked = await self._store.run_upkeep(sweep=sweeps, keep=self._keep, limit=LIMIT)
        if sweeps:
            self._next_sweep = self._clock() + self._sweep_seconds * random.uniform(0.8, 1.0)
        if self._observers or ticked.died or ticked.lost or ticked.given_back:
            facts = (ticked.died, ticked.lost, ticked.given_back, ticked.pruned, ticked.staged)
            self._observers.emit(UpkeepDone(*facts))
        if ticked.staged:
            self._on_staged()
        if ticked.pruned:
            self._next_sweep = self._clock()
            # As long as it took: so pruning has half of a connection's time at most, on whatever server.
            self.due_in(max(SHORTEST_PAUSE, self._clock() - began))
        if ticked.next_in is not None:
            # Due and not staged: somebody else holds the entry, and asking again at once would not help.
            self.due_in(max(SHORTEST_PAUSE if ticked.staged else PAUSE_WHILE_HELD, ticked.next_in))
        return ticked

    async def _wait(self) -> None:
        while (seconds := self._next_tick - self._clock()) > 0:
            await wait_for_event(self._sooner, seconds)
            self._sooner.clear()
