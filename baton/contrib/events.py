"""What happens in a run as server-sent events, for a browser that follows it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec

from baton.client.run import Run
from baton.client.run_events import EventsReset, RunEvent, RunFinished, RunLevel, StepFinished

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # or nginx keeps the events until there are enough of them
}
KEEP_ALIVE = b": nothing new\n\n"


class Stoppable(Protocol):
    """What an open stream iterates over."""

    def stop(self) -> None:
        """End it; nothing more comes."""
        ...


class Streams:
    """The streams an application has open, which its shutdown must end: servers wait for open responses."""

    def __init__(self) -> None:
        self.are_ended = False
        self._open: set[Stoppable] = set()

    @property
    def number_open(self) -> int:
        """How many streams are open."""
        return len(self._open)

    def end(self) -> None:
        """End them all, and those that are opened from now on after their first event."""
        self.are_ended = True
        for stream in tuple(self._open):
            stream.stop()

    @contextmanager
    def holding(self, stream: Stoppable) -> Iterator[None]:
        """While inside, `end` stops it."""
        self._open.add(stream)
        try:
            yield
        finally:
            self._open.discard(stream)
            stream.stop()


async def server_sent_events(
    run: Run, after: str | None = None, *, children: bool = False, every: float = 5.0, streams: Streams | None = None
) -> AsyncGenerator[bytes, None]:
    """Yield what happens in a run as server-sent events, as `run.events` does.

    `step` comes once for each final state of a step, in order; `level` at the beginning and after changes, with the
    numbers of steps by state and what goes on; `end` last, with the state of the run: a page closes its `EventSource`
    then. `reset` says that what came before holds no longer. A stream that ends without `end` was ended by the
    server's shutdown, and the browser opens another one. Each event has an id; `after` is the last one that the browser
    has, as its header `Last-Event-ID` says. A comment after each `every` seconds without an event keeps proxies from
    closing the stream, and shows the server that the client has left.

    Raises: WorkflowNotFound before anything is yielded.
    """
    seconds: float | None
    streams, events = streams or Streams(), run.events(after or None, children=children)
    # The first one is waited for: until then the answer may still be that there is no such run.
    seconds = None
    with streams.holding(events):
        while True:
            try:
                event = await events.next_within(seconds)
            except StopAsyncIteration:
                return
            seconds = every
            yield KEEP_ALIVE if event is None else as_server_sent(event)
            if streams.are_ended:
                return


async def server_sent_items(
    run: Run, stream: str, after: str | None = None, *, every: float = 5.0, streams: Streams | None = None
) -> AsyncGenerator[bytes, None]:
    """Yield what is published to a stream of a run as server-sent events, as `run.follow` does.

    `item` comes for each item, with its number as id, and `end` when the run is final. Otherwise as
    `server_sent_events`.

    Raises: WorkflowNotFound before anything is yielded.
    """
    await run.status()
    number = int(after) if after is not None and after.isascii() and after.isdecimal() and len(after) < 19 else 0
    streams, items = streams or Streams(), run.follow(stream, after=number)
    with streams.holding(items):
        while not streams.are_ended:
            try:
                item = await items.next_within(every)
            except StopAsyncIteration:
                if not streams.are_ended:
                    yield server_sent("end", str(number), {})
                return
            if item is None:
                yield KEEP_ALIVE
            else:
                number = item.number
                yield server_sent("item", str(number), msgspec.to_builtins(item))


def as_server_sent(event: RunEvent) -> bytes:
    """Return an event in the form in which it is sent."""
    data = msgspec.to_builtins(event)
    return server_sent(_name(event), data.pop("cursor"), data)


def server_sent(name: str, cursor: str, data: object) -> bytes:
    """Return one event in the format of server-sent events; `cursor` becomes its id."""
    return f"event: {name}\nid: {cursor}\ndata: {json.dumps(data)}\n\n".encode()


def _name(event: RunEvent) -> str:
    match event:
        case StepFinished():
            return "step"
        case RunLevel():
            return "level"
        case EventsReset():
            return "reset"
        case RunFinished():
            return "end"
