"""Runs any workflow to its end with the engine's own functions, as pools would whose workers all end in one way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import uuid4

import asyncpg

from baton.core import codec
from baton.core.map_items import Items, items_of
from baton.core.outcome import Outcome, joined
from baton.database.messages import Claimed, ClaimRequest, Part, Settlement
from baton.database.store import Store

Ending: TypeAlias = Literal["completed", "discarded", "cancelled", "skipped"]
MOST_ROUNDS = 100
"""Of claims and settles: a generated workflow has a few steps."""
_MAKE_DUE = "update baton.queue set scheduled_at = clock_timestamp() where state in ('scheduled', 'retryable')"
_TIMES_UP = """
    update baton.queue
       set ends_at = clock_timestamp(), scheduled_at = clock_timestamp() - interval '200 years'
     where ends_at is not null
"""
_AWAITED = """
    select s.name, s.awaits ->> 'topic' as topic from baton.steps_view s
     where s.workflow_id = $1 and s.state = 'waiting' and s.awaits ->> 'type' = $2
     order by s.id
"""
_AVAILABLE = "select distinct queue from baton.queue where state = 'available'"
_STATE = "select state from baton.workflows where id = $1"


@dataclass(frozen=True, slots=True)
class Driver:
    """A worker pool that knows every worker. Only the workflow that is driven may have entries."""

    connection: asyncpg.Connection
    store: Store
    pool: int

    @classmethod
    async def register(cls, connection: asyncpg.Connection) -> Driver:
        store = Store(connection, "baton")
        pool = await store.register(
            name="driver", host="here", pid=1, limits={"default": 1}, workers=[], lease_seconds=3600
        )
        return cls(connection, store, pool)

    async def state(self, workflow_id: str) -> str:
        return str(await self.connection.fetchval(_STATE, workflow_id))

    async def drive(self, workflow_id: str, ending: Ending) -> str:
        """End all steps in this way until the workflow is final. Return its state, `executing` if it is stuck."""
        for _ in range(MOST_ROUNDS):
            if await self.state(workflow_id) != "executing":
                break
            await self.connection.execute(_MAKE_DUE)
            await self.store.stage(limit=1000)
            await self._end_waits(workflow_id)
            queues = [row["queue"] for row in await self.connection.fetch(_AVAILABLE)]
            if not queues:
                continue
            claimed = await self.store.claim(self.pool, ClaimRequest(uuid4(), dict.fromkeys(queues, 1000)))
            settling = [done for one in claimed if (done := await self._ended(one, ending)) is not None]
            await self.store.settle(settling)
        return await self.state(workflow_id)

    async def _end_waits(self, workflow_id: str) -> None:
        """Send each signal that is awaited, or let its time be up; send each message; end the timers."""
        waiting = [row["name"] for row in await self.connection.fetch(_AWAITED, workflow_id, "signal")]
        for row in await self.connection.fetch(_AWAITED, workflow_id, "message"):
            await self.store.record_message(workflow_id, row["topic"], "1", None)
        for name in waiting[::2]:
            await self.store.record_signal(workflow_id, name, "1", None)
        await self.connection.execute(_TIMES_UP)
        for name in waiting[1::2]:
            if await self.state(workflow_id) == "executing":
                await self.store.record_signal(workflow_id, name, "1", None)
        if (await self.store.end_waits(limit=1000)).has_runs:
            await self.store.watch_runs(limit=1000)

    async def retry(self, workflow_id: str) -> None:
        await self.store.retry(workflow_id, None, forward=True)

    async def _ended(self, claimed: Claimed, ending: Ending) -> Settlement | None:
        if claimed.is_join:
            return _settled(claimed, joined())
        if claimed.undeliverable is not None:
            return _settled(claimed, Outcome("discarded", claimed.undeliverable))
        if claimed.map is None or ending != "completed":
            return _settled(claimed, Outcome(ending, "null" if ending == "completed" else f"{ending} by the test"))
        return await self._expanded(claimed)

    async def _expanded(self, claimed: Claimed) -> Settlement | None:
        """Expand a map as a pool does; None if it has children now."""
        each = codec.decode(claimed.map or "")["each"]
        results = codec.decode(claimed.results) if claimed.results is not None else {}
        try:
            items = items_of(claimed.args, claimed.arg_refs, each, results)
        except (LookupError, TypeError) as error:
            return _settled(claimed, Outcome("discarded", repr(error)))
        if not isinstance(items, Items):
            return _settled(claimed, Outcome("discarded", items.why))
        if items.size == 0:
            return _settled(claimed, Outcome("completed", "[]"))
        args = list(items.arguments(0, items.size))
        expanded = await self.store.expand_map(claimed, items.size, args, Part(None, 0, items.size), 10_000)
        assert expanded.accepted
        return None


def _settled(claimed: Claimed, outcome: Outcome) -> Settlement:
    return Settlement(claimed.step_id, claimed.token, outcome)
