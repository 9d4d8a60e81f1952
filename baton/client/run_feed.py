"""The readings of one run, made once for all that follow it in this process."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import ExitStack
from weakref import WeakKeyDictionary, WeakSet

import asyncpg

from baton.client.engine import Engine
from baton.core.states import FINAL_WORKFLOW_STATES
from baton.database.connections import RetryingCalls
from baton.database.notifications import Notification, Reconnected, StepsChanged, WorkflowFinished
from baton.database.run_readings import EndedStep, RunReading, read_run
from baton.database.store import Store
from baton.errors import EngineClosed, WorkflowNotFound
from baton.tasks import wait_for_event

SECONDS_BETWEEN_READINGS = 0.6
"""Two readings of a run are at least this far apart, so that they are fewer than two a second."""
SHARE_OF_TIME = 0.2
"""Reading a large run takes at most this share of a connection's time."""
LONGEST_PAUSE = 5.0
"""What is not announced, as the begin of an attempt, is read after this time at the latest."""
FOLLOWED_SECONDS = 120.0
"""For how long the ends of steps are announced after the last request."""


class RunFeed:
    """What is known of a run, and kept up to date while somebody follows it.

    `ended` are the final states in the order in which they are handed on. When that list has to be made anew, because
    what was in it holds no longer, `epoch` is raised. Subscribers read these at their own pace, so a slow one costs
    nothing.
    """

    def __init__(self, engine: Engine, workflow_id: str, *, children: bool) -> None:
        self.subscribers: WeakSet[asyncio.Event] = WeakSet()
        self.ended: Sequence[EndedStep] = []
        self.epoch = 0
        self.reading: RunReading | None = None
        self.error: BaseException | None = None
        """Why it ended without the run being final."""
        self._engine = engine
        self._workflow_id = workflow_id
        self._children = children
        # The wait goes on while the database is away, as in `Run.wait`.
        self._calls = RetryingCalls(engine.connections, seconds=math.inf)
        self._store = Store(self._calls, engine.schema)
        self._loop = asyncio.get_running_loop()
        self._announced = asyncio.Event()
        self._following_until = 0.0
        self._may_follow = True

    @property
    def is_over(self) -> bool:
        """Whether nothing changes any more."""
        return self.error is not None or (self.reading is not None and self.reading.state in FINAL_WORKFLOW_STATES)

    async def run(self) -> None:
        """Keep it up to date until the run is final, or nobody follows it."""
        try:
            with ExitStack() as listening:
                if (listener := self._engine.listener) is not None:
                    listening.enter_context(listener.subscribed(self._on_notification))
                    await listener.listening()
                while self.subscribers and not self.is_over:
                    await self._read_and_wait()
        except asyncio.CancelledError:
            self.error = EngineClosed()
            raise
        except Exception as error:  # noqa: BLE001 - raised by each subscriber
            self.error = error
        finally:
            self._wake_subscribers()

    async def _read_and_wait(self) -> None:
        self._announced.clear()
        began = self._loop.time()
        await self._follow()
        has_changed = await self._read()
        if has_changed:
            self._wake_subscribers()
        if self.is_over:
            return
        took = self._loop.time() - began
        await asyncio.sleep(max(SECONDS_BETWEEN_READINGS - took, took * (1 / SHARE_OF_TIME - 1)))
        # Announcements that come close to another one are left out (sql/functions/announce_steps.sql):
        # after a change it reads once more.
        if not has_changed:
            listens = self._engine.listener is not None and self._may_follow
            pause = LONGEST_PAUSE if listens else self._engine.seconds_between_reads
            await wait_for_event(self._announced, min(LONGEST_PAUSE, pause) if listens else SECONDS_BETWEEN_READINGS)

    async def _follow(self) -> None:
        """Have ends announced: after LISTEN, and before the state is read."""
        if self._engine.listener is None or not self._may_follow or self._loop.time() < self._following_until:
            return
        try:
            await self._store.follow(self._workflow_id, FOLLOWED_SECONDS)
        except asyncpg.InsufficientPrivilegeError:
            # A role that only reads: it reads twice a second.
            self._may_follow = False
        self._following_until = self._loop.time() + FOLLOWED_SECONDS / 2

    async def _read(self) -> bool:
        """Read what is new. Return whether anything is."""
        last = self.ended[-1] if self.ended else None
        reading = await self._reading(last)
        known = {one.id for one in self.ended} if reading.ended else ()
        if len(self.ended) + len(reading.ended) == reading.number_ended and not any(
            one.id in known for one in reading.ended
        ):
            self.ended = [*self.ended, *reading.ended]
        else:
            # Steps were opened again, or deleted, or the clock of the database went back.
            reading = await self._reading(None)
            if list(reading.ended[: len(self.ended)]) != list(self.ended):
                self.epoch += 1
            self.ended = reading.ended
        before, self.reading = self.reading, reading
        return before is None or bool(reading.ended) or _level(before) != _level(reading)

    async def _reading(self, after: EndedStep | None) -> RunReading:
        reading = await read_run(self._calls, self._engine.schema, self._workflow_id, after, children=self._children)
        if reading is None:
            raise WorkflowNotFound(self._workflow_id)
        return reading

    def _wake_subscribers(self) -> None:
        for changed in self.subscribers:
            changed.set()

    def _on_notification(self, notification: Notification) -> None:
        key = None if self.reading is None else self.reading.key
        match notification:
            case Reconnected():
                # The flag that asks for announcements outlives the connection.
                self._announced.set()
            case StepsChanged(changed) | WorkflowFinished(changed) if key in (None, changed):
                self._announced.set()
            case _:
                pass


def _level(reading: RunReading) -> object:
    return reading.state, reading.counts, reading.active, reading.others


_feeds: WeakKeyDictionary[Engine, dict[tuple[str, bool], RunFeed]] = WeakKeyDictionary()


def feed_of(engine: Engine, workflow_id: str, subscriber: asyncio.Event, *, children: bool) -> RunFeed:
    """Return the feed that all followers of a run share; it sets the event after each change.

    It ends when nobody holds its events any more.
    """
    of_engine = _feeds.setdefault(engine, {})
    key = (workflow_id, children)
    feed = of_engine.get(key)
    if feed is None or feed.is_over:
        feed = of_engine[key] = RunFeed(engine, workflow_id, children=children)
        feed.subscribers.add(subscriber)

        async def run(feed: RunFeed = feed) -> None:
            try:
                await feed.run()
            finally:
                if of_engine.get(key) is feed:
                    del of_engine[key]

        engine.background.start(run(), name=f"baton events of {workflow_id}")
    feed.subscribers.add(subscriber)
    return feed
