"""Follow a workflow while it runs, and stream its progress to a browser in server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from weakref import WeakKeyDictionary

from baton.client.engine import Engine
from baton.client.run import Run
from baton.core.states import FINAL_STEP_STATES, FINAL_WORKFLOW_STATES
from baton.database.notifications import Notification, Reconnected, StepEnded, WorkflowFinished
from baton.database.queries import StepSummary, WorkflowSummary
from baton.errors import WorkflowNotFound
from baton.tasks import wait_for_event

MOST_WATCHED = 100
"""The ends of this many steps are announced; those of a larger workflow are found by the readings."""
SECONDS_BETWEEN_READINGS = 0.1
"""What ends within this time is one change."""

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # or nginx keeps the events until there are enough of them
}


class Streams:
    """The streams an application has open, which its shutdown must end: servers wait for open responses."""

    def __init__(self) -> None:
        self.are_ended = False
        self._open: set[asyncio.Event] = set()

    @property
    def number_open(self) -> int:
        """How many streams are open."""
        return len(self._open)

    def end(self) -> None:
        """End them all, and those that are opened from now on after their first event."""
        self.are_ended = True
        for changed in self._open:
            changed.set()

    @contextmanager
    def holding(self, changed: asyncio.Event) -> Iterator[None]:
        """While inside, `end` sets the event."""
        self._open.add(changed)
        try:
            yield
        finally:
            self._open.discard(changed)


async def follow(
    run: Run, *, every: float = 5.0, streams: Streams | None = None
) -> AsyncGenerator[WorkflowSummary, None]:
    """Yield a workflow's state and its steps as they are now, and again after each change, until it is final.

    The end of a step is announced, and read at once; what else changes is read within `every`
    seconds, and is yielded then even if nothing has changed. All that follow a workflow share its
    readings: together they cost the database one query in that time, and one for each end. Steps
    inside groups are not listed. Ends early when `streams` are ended.

    Raises: WorkflowNotFound at the beginning; a workflow that is pruned later ends it.
    """
    engine, changed, streams = run.engine_to_ask(), asyncio.Event(), streams or Streams()
    with ExitStack() as stack:
        stack.enter_context(streams.holding(changed))
        readings = stack.enter_context(_shared_readings(engine, run.id, changed))
        await readings.begin()
        # A new follower wants to see how things are now.
        oldest = SECONDS_BETWEEN_READINGS
        while True:
            changed.clear()
            summary = await readings.latest(oldest)
            if summary is None:
                return
            yield summary
            if summary.state in FINAL_WORKFLOW_STATES:
                return
            if not streams.are_ended:
                await asyncio.sleep(SECONDS_BETWEEN_READINGS)
                oldest = min(every, engine.seconds_between_reads)
                await wait_for_event(changed, oldest)
            if streams.are_ended:
                return


async def server_sent_events(
    run: Run, *, every: float = 5.0, streams: Streams | None = None
) -> AsyncGenerator[bytes, None]:
    """Yield the progress of a workflow as server-sent events.

    `steps` comes first and after each change, with the name, state, attempt and reason of each step;
    `end` comes last, with the state of the workflow: a page closes its `EventSource` then. A stream
    that ends without it was ended by the server's shutdown, and the browser opens another one. A
    comment after each `every` seconds without a change keeps proxies from closing the stream, and
    shows the server that the client has left.

    Raises: WorkflowNotFound before anything is yielded.
    """
    sent = None
    following = follow(run, every=every, streams=streams)
    async with aclosing(following):
        async for summary in following:
            event = _event("steps", [_fields(step) for step in summary.steps])
            yield b": nothing new\n\n" if event == sent else event
            sent = event
            if summary.state in FINAL_WORKFLOW_STATES:
                yield _event("end", {"state": summary.state})


def _fields(step: StepSummary) -> dict[str, object]:
    return {"name": step.name, "state": step.state, "attempt": step.attempt, "reason": step.reason}


def _event(kind: str, data: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


class _Readings:
    """The readings of one workflow, made once for all that follow it."""

    def __init__(self, engine: Engine, workflow_id: str) -> None:
        self.followers: set[asyncio.Event] = set()
        self._engine = engine
        self._workflow_id = workflow_id
        self._listening = ExitStack()
        self._loop = asyncio.get_running_loop()
        # Held while something is read: those that come meanwhile find it read.
        self._lock = asyncio.Lock()
        self._has_begun = False
        self._watched_steps: set[int] = set()
        self._watched_key: int | None = None
        self._changes = 0
        """How many were announced."""
        self._latest: WorkflowSummary | None = None
        self._read_after = -1
        """How many changes had been announced when the latest reading began."""
        self._read_at = float("-inf")

    async def begin(self) -> None:
        """Have ends announced, unless they are already. Raises `WorkflowNotFound`."""
        async with self._lock:
            if self._has_begun:
                return
            try:
                await self._listen_and_read()
            except BaseException:
                self._listening.close()
                raise
            self._has_begun = True

    async def latest(self, oldest: float) -> WorkflowSummary | None:
        """Return a reading that is not older than this, nor than the last announced change; None if it is pruned."""
        wanted = self._changes
        async with self._lock:
            if self._read_after < wanted or self._loop.time() - self._read_at > oldest:
                await self._read()
            return self._latest

    def close(self) -> None:
        self._listening.close()

    async def _listen_and_read(self) -> None:
        if self._engine.listener is not None:
            self._listening.enter_context(self._engine.listener.subscribed(self._on_notification))
            # LISTEN first, then the flags, then the state: an end between two of these would be
            # missed otherwise.
            await self._engine.listener.listening()
            await self._watch()
        await self._read()
        if self._latest is None:
            raise WorkflowNotFound(self._workflow_id)

    async def _read(self) -> None:
        read_after, read_at = self._changes, self._loop.time()
        self._latest = await self._engine.reads.summary(self._workflow_id)
        self._read_after, self._read_at = read_after, read_at

    async def _watch(self) -> None:
        store = self._engine.store
        watched = await store.watch(self._workflow_id, None)
        if watched.key is None:
            raise WorkflowNotFound(self._workflow_id)
        self._watched_key = watched.key
        summary = await self._engine.reads.summary(self._workflow_id)
        unfinished = [step for step in summary.steps if step.state not in FINAL_STEP_STATES] if summary else []
        for step in unfinished[:MOST_WATCHED]:
            await store.watch(self._workflow_id, step.name)
            self._watched_steps.add(step.id)

    def _on_notification(self, notification: Notification) -> None:
        match notification:
            case Reconnected():
                self._announce()
            case StepEnded(step_id) if step_id in self._watched_steps:
                self._announce()
            case WorkflowFinished(key) if key == self._watched_key:
                self._announce()
            case _:
                pass

    def _announce(self) -> None:
        self._changes += 1
        for changed in self.followers:
            changed.set()


_readings: WeakKeyDictionary[Engine, dict[str, _Readings]] = WeakKeyDictionary()


@contextmanager
def _shared_readings(engine: Engine, workflow_id: str, changed: asyncio.Event) -> Iterator[_Readings]:
    """Share the readings of a workflow while inside; the event is set after each announced change."""
    of_engine = _readings.setdefault(engine, {})
    if (readings := of_engine.get(workflow_id)) is None:
        readings = of_engine[workflow_id] = _Readings(engine, workflow_id)
    readings.followers.add(changed)
    try:
        yield readings
    finally:
        readings.followers.discard(changed)
        if not readings.followers:
            del of_engine[workflow_id]
            readings.close()
