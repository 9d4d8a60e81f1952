"""Follow a workflow while it runs, and tell a browser of it in server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from typing import TYPE_CHECKING

from baton.client.run import Run
from baton.client.run_state import StepRecord
from baton.core.states import FINAL_STEP_STATES
from baton.database.notifications import Notice, Reconnected, StepEnded
from baton.tasks import wait_for_event

if TYPE_CHECKING:
    from baton.client.engine import Engine

MOST_WATCHED = 100
"""So many steps have their ends announced; those of a larger workflow are seen by the readings."""
SECONDS_BETWEEN_READINGS = 0.1
"""What ends within so short a time is one change."""

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
) -> AsyncGenerator[Sequence[StepRecord], None]:
    """Yield the steps of a workflow as they are now, and again after each change, until all are final.

    The end of a step is announced, and read at once; what else changes is read within `every` seconds, and the steps
    are yielded then even if nothing has. An open one costs the database one query in that time, and one for each end.
    Ends early when `streams` are ended. Raises `WorkflowNotFound`.
    """
    engine, changed, streams = run._used_engine(), asyncio.Event(), streams or Streams()
    with ExitStack() as stack:
        stack.enter_context(streams.holding(changed))
        if engine.listener is not None:
            watched: set[int] = set()
            stack.enter_context(engine.listener.heard_by(lambda notice: _hear(notice, watched, changed)))
            # LISTEN first, then the flags, then the state: an end between two of these would be missed otherwise.
            await engine.listener.listening()
            watched |= await _watch(engine, run)
        while True:
            changed.clear()
            steps = await run.steps()
            yield steps
            if all(step.state in FINAL_STEP_STATES for step in steps):
                return
            if not streams.are_ended:
                await asyncio.sleep(SECONDS_BETWEEN_READINGS)
                await wait_for_event(changed, min(every, engine.seconds_between_reads))
            if streams.are_ended:
                return


async def server_sent_events(
    run: Run, *, every: float = 5.0, streams: Streams | None = None
) -> AsyncGenerator[bytes, None]:
    """Yield the progress of a workflow as server-sent events.

    `steps` comes first and after each change, with the name, state, attempt and reason of each step; `end` comes last,
    with the state of the workflow: a page closes its `EventSource` then. A stream that ends without it was ended by the
    server's shutdown, and the browser opens another one. A comment after each `every` seconds without a change keeps
    proxies from closing the stream, and shows the server that the client has left.
    """
    said = None
    following = follow(run, every=every, streams=streams)
    async with aclosing(following):
        async for steps in following:
            says = _event("steps", [_told(step) for step in steps])
            yield b": nothing new\n\n" if says == said else says
            said = says
        if all(step.state in FINAL_STEP_STATES for step in steps):
            yield _event("end", {"state": await run.wait()})


def _hear(notice: Notice, watched: set[int], changed: asyncio.Event) -> None:
    match notice:
        case Reconnected():
            changed.set()
        case StepEnded(step_id) if step_id in watched:
            changed.set()
        case _:
            pass


async def _watch(engine: Engine, run: Run) -> set[int]:
    waiting = [step.name for step in await run.steps() if step.state not in FINAL_STEP_STATES]
    watched = [await engine.store.watch(run.id, name) for name in waiting[:MOST_WATCHED]]
    return {one.step_id for one in watched if one.step_id is not None}


def _told(step: StepRecord) -> dict[str, object]:
    return {"name": step.name, "state": step.state, "attempt": step.attempt, "reason": step.reason}


def _event(kind: str, data: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
