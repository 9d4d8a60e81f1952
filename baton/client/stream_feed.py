"""The readings of one stream of a run, made once for all that follow it in this process."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ExitStack
from weakref import WeakKeyDictionary, WeakSet

import asyncpg

from baton.client.engine import Engine
from baton.core.states import FINAL_WORKFLOW_STATES
from baton.database.connections import RetryingCalls
from baton.database.notifications import Notification, Reconnected, StreamGrew, WorkflowFinished
from baton.database.store import Store
from baton.database.stream_readings import StreamItem, StreamReading, read_stream
from baton.errors import EngineClosed, WorkflowNotFound
from baton.tasks import wait_for_event

SECONDS_BETWEEN_READINGS = 0.1
SECONDS_WITHOUT_ANNOUNCEMENTS = 0.5
LONGEST_PAUSE = 5.0
FOLLOWED_SECONDS = 120.0
SECONDS_AFTER_THE_END = 0.5
"""What an attempt published last may be written this long after its run is final."""
MOST_HELD = 5_000
"""This many items are held for all; one who is further behind reads pages of its own."""


class StreamFeed:
    """The latest items of a stream, kept up to date while somebody follows it.

    `items` are all that there are behind the number `held_after`.
    """

    def __init__(self, engine: Engine, workflow_id: str, stream: str, after: int) -> None:
        self.subscribers: WeakSet[asyncio.Event] = WeakSet()
        self.items: Sequence[StreamItem] = []
        self.held_after = after
        self.is_over = False
        self.error: BaseException | None = None
        self._engine = engine
        self._workflow_id = workflow_id
        self._stream = stream
        # The wait goes on while the database is away, as in `Run.wait`.
        self._calls = RetryingCalls(engine.connections, seconds=math.inf)
        self._store = Store(self._calls, engine.schema)
        self._loop = asyncio.get_running_loop()
        self._announced = asyncio.Event()
        self._key: int | None = None
        self._following_until = 0.0
        self._may_follow = True

    def behind(self, number: int) -> Sequence[StreamItem]:
        """Return the items behind this number that are held; `number` is not before `held_after`."""
        return self.items[bisect_right(self.items, number, key=lambda item: item.number) :]

    async def page(self, after: int) -> Sequence[StreamItem]:
        """Read items behind this number, some or all of those that are not held any more."""
        return (await self._read(after)).items

    async def run(self) -> None:
        """Keep it up to date until the run is final, or nobody follows it."""
        try:
            with ExitStack() as listening:
                if (listener := self._engine.listener) is not None:
                    listening.enter_context(listener.subscribed(self._on_notification))
                    await listener.listening()
                await self._follow_to_the_end()
            self.is_over = True
        except asyncio.CancelledError:
            self.error = EngineClosed()
            raise
        except Exception as error:  # noqa: BLE001 - raised by each subscriber
            self.error = error
        finally:
            for changed in self.subscribers:
                changed.set()

    async def _follow_to_the_end(self) -> None:
        was_final = False
        while self.subscribers:
            self._announced.clear()
            await self._ask_for_announcements()
            reading = await self._read(self.items[-1].number if self.items else self.held_after)
            self._take(reading.items)
            if reading.is_more:
                continue
            if reading.state in FINAL_WORKFLOW_STATES:
                if was_final:
                    return
                was_final = True
                await asyncio.sleep(SECONDS_AFTER_THE_END)
                continue
            await asyncio.sleep(SECONDS_BETWEEN_READINGS)
            is_announced = self._engine.listener is not None and self._may_follow
            await wait_for_event(self._announced, LONGEST_PAUSE if is_announced else SECONDS_WITHOUT_ANNOUNCEMENTS)

    def _take(self, items: Sequence[StreamItem]) -> None:
        if not items:
            return
        held = [*self.items, *items]
        if len(held) > MOST_HELD:
            self.held_after = held[-MOST_HELD - 1].number
            held = held[-MOST_HELD:]
        self.items = held
        for changed in self.subscribers:
            changed.set()

    async def _read(self, after: int) -> StreamReading:
        reading = await read_stream(self._calls, self._engine.schema, self._workflow_id, self._stream, after)
        if reading is None:
            raise WorkflowNotFound(self._workflow_id)
        self._key = reading.key
        return reading

    async def _ask_for_announcements(self) -> None:
        if self._engine.listener is None or not self._may_follow or self._loop.time() < self._following_until:
            return
        try:
            await self._store.follow_stream(self._workflow_id, self._stream, FOLLOWED_SECONDS)
        except asyncpg.InsufficientPrivilegeError:
            # A role that only reads.
            self._may_follow = False
        self._following_until = self._loop.time() + FOLLOWED_SECONDS / 2

    def _on_notification(self, notification: Notification) -> None:
        match notification:
            case Reconnected():
                self._announced.set()
            case StreamGrew(key) | WorkflowFinished(key) if self._key in (None, key):
                self._announced.set()
            case _:
                pass


_feeds: WeakKeyDictionary[Engine, dict[tuple[str, str], StreamFeed]] = WeakKeyDictionary()


def stream_feed_of(engine: Engine, workflow_id: str, stream: str, after: int, subscriber: asyncio.Event) -> StreamFeed:
    """Return the feed that all followers of a stream share; it sets the event when there is more.

    It ends when nobody holds its events any more.
    """
    of_engine = _feeds.setdefault(engine, {})
    key = (workflow_id, stream)
    feed = of_engine.get(key)
    if feed is None or feed.is_over or feed.error is not None:
        feed = of_engine[key] = StreamFeed(engine, workflow_id, stream, after)
        feed.subscribers.add(subscriber)

        async def run(feed: StreamFeed = feed) -> None:
            try:
                await feed.run()
            finally:
                if of_engine.get(key) is feed:
                    del of_engine[key]

        engine.background.start(run(), name=f"baton stream of {workflow_id}")
    feed.subscribers.add(subscriber)
    return feed
