"""What calls of language models used, on its way to the database: it gets its cost here, in the process of the pool."""

from __future__ import annotations

import msgspec

from baton.core.usage.call_usage import Usage
from baton.core.usage.prices import Prices, PriceSource
from baton.runtime.attempt_records import AttemptRecords, RecordKind
from baton.runtime.attempts import Attempt


class PricedRecords:
    """Takes what attempts leave, and puts prices on usage by `prices` and the public ones."""

    def __init__(self, records: AttemptRecords, prices: PriceSource | None) -> None:
        self._records = records
        self._prices = Prices(prices)

    def leave(self, attempt: Attempt, kind: RecordKind, key: str, value: str) -> None:
        """Leave a record; see `AttemptRecords.leave`."""
        self._records.leave(attempt, kind, key, self._priced(value) if kind == "usage" else value)

    async def paced(self, attempt: Attempt) -> None:
        """See `AttemptRecords.paced`."""
        await self._records.paced(attempt)

    def _priced(self, value: str) -> str:
        usage, version = self._prices.priced(msgspec.json.decode(value, type=Usage))
        facts = msgspec.to_builtins(usage, builtin_types=(), str_keys=True)
        return msgspec.json.encode({**facts, "price_version": version}).decode()
