"""Hear the schema's channel, on a connection that does nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from baton.database.connections import close, describe, pause_before
from baton.database.notifications import Notice, Reconnected, channel, parse
from baton.tasks import Tasks, wait_for_event

if TYPE_CHECKING:
    from baton.database.connections import Connector

log = logging.getLogger("baton")

Hear = Callable[[Notice], None]

PING_EVERY = 30.0
PING_SECONDS = 5.0


class Listener:
    """Deliver notices to whoever hears, in the event loop it was started in.

    After every connect LISTEN comes first, then `Reconnected` is delivered, so that hearers read the state they may
    have missed the change of. A ping finds a connection whose peer is gone without a word. Nothing is opened before
    somebody hears.
    """

    def __init__(self, dialing: Connector, schema: str, tasks: Tasks) -> None:
        self._dialing = dialing
        self._channel = channel(schema)
        self._tasks = tasks
        self._hearers: list[Hear] = []
        self._running: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    @property
    def number_of_hearers(self) -> int:
        """How many are given what is heard."""
        return len(self._hearers)

    @contextmanager
    def heard_by(self, hear: Hear) -> Iterator[None]:
        """Deliver notices to `hear` while inside, as soon as LISTEN is in force (see `listening`)."""
        self._hearers.append(hear)
        if self._running is None:
            self._running = self._tasks.start(self._run(), name="baton listener")
        try:
            yield
        finally:
            self._hearers.remove(hear)

    async def listening(self) -> None:
        """Return once LISTEN is in force."""
        await self._listening.wait()

    def _deliver(self, notice: Notice) -> None:
        for hear in tuple(self._hearers):
            hear(notice)

    def _on_notify(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        notice = parse(str(payload))
        if notice is not None:
            self._deliver(notice)

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._listen_until_lost()
                failures = 0
            except Exception as error:  # noqa: BLE001 - a loop; whatever it was, only hearing again helps
                log.warning("the listener has no connection and tries again: %s", describe(error))
            self._listening.clear()
            await asyncio.sleep(pause_before(failures))
            failures += 1

    async def _listen_until_lost(self) -> None:
        connection = await self._dialing.connect("listener")
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
