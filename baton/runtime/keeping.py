"""Values that running attempts keep for those that follow them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from baton.core.context import Done, Keep
from baton.core.kept import kept_text
from baton.core.limits import Limits
from baton.core.worker import AnyWorker
from baton.database.messages import Claimed
from baton.errors import NotKept
from baton.runtime.attempts import Attempt

Store = Callable[[Claimed, str], Awaitable[bool]]


class Keeping:
    """Gives attempts in this process what `ctx.keep` calls. `store` returns False if the claim is void."""

    def __init__(self, limits: Limits, store: Store) -> None:
        self._limits = limits
        self._store = store

    def of(self, attempt: Attempt, worker: AnyWorker) -> Keep | None:
        """Return what keeps values of this attempt; None if it can keep none.

        In a transaction it would last although everything else that the worker wrote is rolled back.
        """
        if worker.is_transactional:
            return None
        if worker.executor == "thread":
            loop = asyncio.get_running_loop()
            return lambda value: self._keep_from_thread(attempt, worker, value, loop)
        return lambda value: self._keep(attempt, worker, value)

    async def _keep(self, attempt: Attempt, worker: AnyWorker, value: Any) -> None:
        text = kept_text(worker.name, value)
        step = attempt.claimed.step
        if (why := self._limits.kept_excess(text)) is not None:
            raise NotKept(step, why)
        if not await self._store(attempt.claimed, text):
            raise NotKept(step, "it was cancelled, or another attempt has taken it over; end this one")
        attempt.has_kept = True

    def _keep_from_thread(
        self, attempt: Attempt, worker: AnyWorker, value: Any, loop: asyncio.AbstractEventLoop
    ) -> Awaitable[None]:
        asyncio.run_coroutine_threadsafe(self._keep(attempt, worker, value), loop).result()
        return Done()
