"""What has changed: one reader in a process, for all pages that are open.

Every half second it reads, in one statement, a mark for each run that somebody looks at, and one for everything. A
mark is a text that is another one when something has changed. Nobody looks, and nothing is read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias
from weakref import WeakKeyDictionary

from baton.client.engine import Engine
from baton.database.live_marks import read_marks
from baton.tasks import Tasks, wait_for_event

if TYPE_CHECKING:
    from typing import Final

log = logging.getLogger("baton.web")

ALL: Final = "all"
Topic: TypeAlias = int | Literal["all"]
"""The key of a run, or everything."""

SECONDS_BETWEEN_READINGS = 0.5
SECONDS_AFTER_FAILURE = 2.0
SECONDS_OPEN = 50.0
"""A stream ends by itself, and the browser opens another: a server that stops waits for the open ones."""
SECONDS_BETWEEN_COMMENTS = 10.0


class Marks:
    """The latest marks, and who waits for another one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._followers: dict[Topic, set[asyncio.Event]] = {}
        self._marks: dict[Topic, str] = {}
        self._tasks = Tasks()
        self._reading: asyncio.Task[None] | None = None

    def mark(self, topic: Topic) -> str | None:
        """The latest mark; None until it was read."""
        return self._marks.get(topic)

    @property
    def number_of_followers(self) -> int:
        return sum(map(len, self._followers.values()))

    @property
    def is_idle(self) -> bool:
        """Nothing is being read."""
        return self._reading is None or self._reading.done()

    @contextmanager
    def followed(self, topic: Topic, changed: asyncio.Event) -> Iterator[None]:
        """Read marks while inside; the event is set after each change."""
        if self.is_idle:
            self._reading = self._tasks.start(self._read_on(), name="baton dashboard changes")
        self._followers.setdefault(topic, set()).add(changed)
        try:
            yield
        finally:
            followers = self._followers[topic]
            followers.discard(changed)
            if not followers:
                del self._followers[topic]
                self._marks.pop(topic, None)

    async def _read_on(self) -> None:
        while self._followers:
            pause = SECONDS_BETWEEN_READINGS
            try:
                keys = [topic for topic in self._followers if topic != ALL]
                self._put(await read_marks(self._engine.connections, self._engine.schema, keys))
            except Exception as error:  # noqa: BLE001 - a loop: whatever failed, it reads again
                log.warning("the dashboard cannot read what has changed, and tries again: %s", error)
                pause = SECONDS_AFTER_FAILURE
            await asyncio.sleep(pause)

    def _put(self, marks: Mapping[Topic, str]) -> None:
        for topic, followers in self._followers.items():
            mark = marks.get(topic, "gone")
            if self._marks.get(topic) != mark:
                self._marks[topic] = mark
                for changed in followers:
                    changed.set()


_of_engines: WeakKeyDictionary[Engine, Marks] = WeakKeyDictionary()


def marks_of(engine: Engine) -> Marks:
    """Return the marks that all pages of an engine share."""
    return _of_engines.setdefault(engine, Marks(engine))


async def stream(engine: Engine, topic: Topic, seen: str | None) -> AsyncIterator[bytes]:
    """Yield an event for each change, with the mark as its id; the first at once unless `seen` is that mark:
    something may have changed since the page was made.

    A comment every ten seconds keeps proxies from closing the stream, and shows the server that the browser has left.
    """
    marks, changed = marks_of(engine), asyncio.Event()
    yield b"retry: 1000\n\n"
    with marks.followed(topic, changed):
        ends = asyncio.get_running_loop().time() + SECONDS_OPEN
        while asyncio.get_running_loop().time() < ends:
            mark = marks.mark(topic)
            if mark is not None and mark != seen:
                yield f"id: {mark}\nevent: changed\ndata: {mark}\n\n".encode()
                seen = mark
            changed.clear()
            if marks.mark(topic) == mark and not await wait_for_event(changed, SECONDS_BETWEEN_COMMENTS):
                yield b": still here\n\n"
