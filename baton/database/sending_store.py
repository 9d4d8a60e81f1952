"""The engine's functions that record what is sent to steps, as Python methods of the same names."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from baton.database.columns import call
from baton.database.messages import Sent
from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls


class SendingStore:
    """A part of `Store`."""

    def __init__(self, calls: Calls, schema: str) -> None:
        self.calls = calls
        self.schema = schema
        prefix = quoted(schema)
        self._record_message = call(f"{prefix}.record_message", 5)
        self._topic_kind = call(f"{prefix}.topic_kind", 2)
        self._record_signal = call(f"{prefix}.record_signal", 5)
        self._awaited_kind = call(f"{prefix}.awaited_kind", 2)
        self._raise_budget = call(f"{prefix}.raise_budget", 5)

    async def awaited_kind(self, workflow_id: str, step: str) -> str | None:
        """Return what names the type that a step expects of its signal; None for any, or if it waits for none."""
        (row,) = await self.calls.fetch(self._awaited_kind, workflow_id, step)
        kind: str | None = row["awaited_kind"]
        return kind

    async def topic_kind(self, workflow_id: str, topic: str) -> str | None:
        """Return what names the type of a topic's messages; None for any, or if no step receives them any more."""
        (row,) = await self.calls.fetch(self._topic_kind, workflow_id, topic)
        kind: str | None = row["topic_kind"]
        return kind

    async def record_message(
        self, workflow_id: str, topic: str, value: str, key: str | None, actor: str | None = None
    ) -> Sent:
        """Record a message. Replayable with a key, which nobody else uses."""
        (row,) = await self.calls.fetch(self._record_message, workflow_id, topic, value, key, actor)
        return Sent(row["refusal"] is None, row["refusal"], row["facts"] or ())

    async def record_signal(
        self, workflow_id: str, step: str, value: str, key: str | None, actor: str | None = None
    ) -> Sent:
        """Record a signal for a step. Replayable with a key, which nobody else uses."""
        (row,) = await self.calls.fetch(self._record_signal, workflow_id, step, value, key, actor)
        return Sent(bool(row["accepted"]), row["refusal"], row["facts"] or ())

    async def raise_budget(
        self, workflow_id: str, group: str, shared: str | None, cost: Decimal | None, tokens: int | None
    ) -> bool:
        """Raise the limit of a budget to at least this much. Return whether there is such a budget. Replayable."""
        (row,) = await self.calls.fetch(self._raise_budget, workflow_id, group, shared, cost, tokens)
        return bool(row["raise_budget"])
