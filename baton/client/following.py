"""`run.events()`: an iterator over what happens in a run, which can be taken up where it was left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Self, cast

from baton.client.run_events import EventsReset, RunEvent, RunFinished, RunLevel, StepFinished
from baton.client.run_feed import RunFeed, feed_of
from baton.core.states import FINAL_WORKFLOW_STATES, FinalWorkflowState
from baton.database.run_readings import RunReading
from baton.errors import InvalidOption
from baton.tasks import wait_for_event

if TYPE_CHECKING:
    from baton.client.engine import Engine


class RunEvents(AsyncIterator[RunEvent]):
    """The events of a run, from a cursor on. Ends behind `RunFinished`.

    All that follow a run in one process share its readings, at most two a second; a slow reader of events costs
    nothing. It ends by itself when nothing holds it any more, or with `stop`.

    Args:
        engine: returns the engine to ask, when the first event is asked for.
        after: a cursor, or None for the beginning.
        children: whether steps inside groups have events of their own.
    """

    def __init__(self, engine: Callable[[], Engine], workflow_id: str, after: str | None, *, children: bool) -> None:
        if not isinstance(after, str | None):
            raise InvalidOption("after", after, "it must be the cursor of an event, a string")
        self._engine = engine
        self._workflow_id = workflow_id
        self._after = after
        self._children = children
        self._changed = asyncio.Event()
        self._feed: RunFeed | None = None
        self._position = 0
        self._epoch: int | None = None
        self._level: RunReading | None = None
        self._is_ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunEvent:
        event = await self.next_within(None)
        assert event is not None
        return event

    async def next_within(self, seconds: float | None) -> RunEvent | None:
        """Return the next event, or None if there is none within this time. Raises `StopAsyncIteration` at the end.

        Raises: WorkflowNotFound, EngineClosed, and what reading raises.
        """
        if self._feed is None:
            self._feed = feed_of(self._engine(), self._workflow_id, self._changed, children=self._children)
        while True:
            self._changed.clear()
            if (event := self._next(self._feed)) is not None:
                return event
            if self._is_ended:
                raise StopAsyncIteration
            if not await wait_for_event(self._changed, seconds):
                return None

    def stop(self) -> None:
        """End the iteration: what waits for the next event is woken."""
        self._is_ended = True
        self._changed.set()
        if self._feed is not None:
            self._feed.subscribers.discard(self._changed)

    async def aclose(self) -> None:
        """End the iteration, as `contextlib.aclosing` does."""
        self.stop()

    def _next(self, feed: RunFeed) -> RunEvent | None:
        if self._is_ended:
            return None
        if feed.reading is None or feed.error is not None:
            if feed.error is not None:
                self.stop()
                raise feed.error
            return None
        if self._epoch != feed.epoch:
            is_known = self._found(feed, feed.reading)
            self._epoch, self._level = feed.epoch, None
            if not is_known:
                return EventsReset(self._cursor(feed, feed.reading))
        if self._position < len(feed.ended):
            return self._finished_step(feed, feed.reading)
        if feed.reading.state in FINAL_WORKFLOW_STATES:
            self.stop()
            final = cast("FinalWorkflowState", feed.reading.state)
            return RunFinished(self._cursor(feed, feed.reading), final, feed.reading.counts)
        return self._new_level(feed, feed.reading)

    def _found(self, feed: RunFeed, reading: RunReading) -> bool:
        """Take the place behind the cursor; at the beginning if it is unknown. Return whether it is known."""
        cursor, self._after = (None if self._epoch is not None else self._after), None
        is_first = self._epoch is None
        self._position = 0
        if cursor is None:
            return is_first
        position = cursor.rpartition(".")[2]
        # No more digits than a number of steps has.
        if position.isascii() and position.isdecimal() and len(position) < 9 and int(position) <= len(feed.ended):
            self._position = int(position)
            if self._cursor(feed, reading) == cursor:
                return True
            self._position = 0
        return False

    def _cursor(self, feed: RunFeed, reading: RunReading) -> str:
        """The place behind the events so far: the run, when and which step ended last, and the number of events."""
        if self._position == 0:
            return f"{reading.key}.0.0.0"
        last = feed.ended[self._position - 1]
        return f"{reading.key}.{last.micros}.{last.ordinal}.{self._position}"

    def _finished_step(self, feed: RunFeed, reading: RunReading) -> StepFinished:
        ended = feed.ended[self._position]
        self._position += 1
        return StepFinished(
            cursor=self._cursor(feed, reading),
            step=ended.step,
            state=ended.state,
            attempt=ended.attempt,
            reason=ended.reason,
            finished_at=ended.finished_at,
            children=ended.children,
        )

    def _new_level(self, feed: RunFeed, reading: RunReading) -> RunLevel | None:
        if reading is self._level:
            return None
        before, self._level = self._level, reading
        level = RunLevel(self._cursor(feed, reading), reading.state, reading.counts, reading.active, reading.others)
        if before is not None and (before.state, before.counts, before.active, before.others) == (
            (level.state, level.counts, level.active, level.others)
        ):
            return None
        return level
