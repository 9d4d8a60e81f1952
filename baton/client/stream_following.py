"""`run.follow(stream)`: an iterator over what workers publish, which can be taken up where it was left."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Self

from baton.client.stream_feed import StreamFeed, stream_feed_of
from baton.core.streams import checked_stream
from baton.database.stream_readings import StreamItem
from baton.errors import InvalidOption
from baton.tasks import wait_for_event

if TYPE_CHECKING:
    from baton.client.engine import Engine


class RunStream(AsyncIterator[StreamItem]):
    """The items of a stream of a run, from a number on. Ends when the run is final.

    All that follow a stream in one process share its readings, at most ten a second. It ends by itself when nothing
    holds it any more, or with `stop`.
    """

    def __init__(self, engine: Callable[[], Engine], workflow_id: str, stream: str, after: int) -> None:
        _require_number(after)
        self._engine = engine
        self._workflow_id = workflow_id
        self._stream = checked_stream(stream)
        self._position = after
        self._changed = asyncio.Event()
        self._feed: StreamFeed | None = None
        self._ready: deque[StreamItem] = deque()
        self._is_stopped = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamItem:
        item = await self.next_within(None)
        assert item is not None
        return item

    async def next_within(self, seconds: float | None) -> StreamItem | None:
        """Return the next item, or None if there is none within this time. Raises `StopAsyncIteration` at the end.

        Raises: WorkflowNotFound, EngineClosed, and what reading raises.
        """
        if self._feed is None:
            engine = self._engine()
            self._feed = stream_feed_of(engine, self._workflow_id, self._stream, self._position, self._changed)
        while True:
            if self._is_stopped:
                raise StopAsyncIteration
            if self._ready:
                item = self._ready.popleft()
                self._position = item.number
                return item
            self._changed.clear()
            if await self._has_more(self._feed):
                continue
            if self._feed.error is not None:
                raise self._feed.error
            if self._feed.is_over:
                raise StopAsyncIteration
            if not await wait_for_event(self._changed, seconds):
                return None

    def stop(self) -> None:
        """End the iteration: what waits for the next item is woken."""
        self._is_stopped = True
        self._changed.set()
        if self._feed is not None:
            self._feed.subscribers.discard(self._changed)

    async def aclose(self) -> None:
        """End the iteration, as `contextlib.aclosing` does."""
        self.stop()

    async def _has_more(self, feed: StreamFeed) -> bool:
        if self._position < feed.held_after:
            # Further behind than what is held. What the page leaves out is gone, or comes with the next.
            page = await feed.page(self._position)
            self._ready.extend(page)
            if not page:
                self._position = feed.held_after
            return True
        self._ready.extend(feed.behind(self._position))
        return bool(self._ready)


def _require_number(after: object) -> None:
    if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after < 2**63 - 1:
        raise InvalidOption("after", after, "it must be the number of an item, or 0 for the beginning")
