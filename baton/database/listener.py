"""Listen on the schema's channel, with a connection that does nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from baton.database.connections import close, error_summary, pause_before
from baton.database.notifications import Notification, Reconnected, channel, parse
from baton.tasks import Tasks, wait_for_event

if TYPE_CHECKING:
    from baton.database.connections import Connector

log = logging.getLogger("baton")

Subscriber = Callable[[Notification], None]

PING_EVERY = 30.0
PING_SECONDS = 5.0


class Listener:
    """Delivers notifications to subscribers, in the event loop in which it was made.

    After each connect, LISTEN comes first. Then `Reconnected` is delivered, so that subscribers read
    the state whose changes they may have missed. A ping finds a connection that was lost without an
    error. No connection is opened before the first subscriber comes.
    """

    def __init__(self, connector: Connector, schema: str, tasks: Tasks) -> None:
        self._connector = connector
        self._channel = channel(schema)
        self._tasks = tasks
        self._subscribers: list[Subscriber] = []
        self._running: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    @property
    def number_of_subscribers(self) -> int:
        return len(self._subscribers)

    @contextmanager
    def subscribed(self, subscriber: Subscriber) -> Iterator[None]:
        """Deliver notifications to a function while inside, as soon as LISTEN is in force (see `listening`)."""
        self._subscribers.append(subscriber)
        if self._running is None:
            self._running = self._tasks.start(self._run(), name="baton listener")
        try:
            yield
        finally:
            self._subscribers.remove(subscriber)

    async def listening(self) -> None:
        """Return once LISTEN is in force."""
        await self._listening.wait()

    def _deliver(self, notification: Notification) -> None:
        for subscriber in tuple(self._subscribers):
            subscriber(notification)

    def _on_notify(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        notification = parse(str(payload))
        if notification is not None:
            self._deliver(notification)

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._listen_until_lost()
                failures = 0
            except Exception as error:  # noqa: BLE001 - a loop: whatever failed, it has to listen again
                log.warning("the listener has no connection and tries again: %s", error_summary(error))
            self._listening.clear()
            await asyncio.sleep(pause_before(failures))
            failures += 1

    async def _listen_until_lost(self) -> None:
        connection = await self._connector.connect("listener")
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _connection: lost.set())
            async with asyncio.timeout(PING_SECONDS):
                await connection.add_listener(self._channel, self._on_notify)
            self._listening.set()
            self._deliver(Reconnected())
            while not await wait_for_event(lost, PING_EVERY):
                async with asyncio.timeout(PING_SECONDS):
                    await connection.fetchval("select 1")
            log.warning("the listener lost its connection")
        except asyncio.CancelledError:
            await close(connection)
            raise
        except BaseException:
            connection.terminate()
            raise
