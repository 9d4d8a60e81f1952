"""What the engine notifies on the schema's channel, as a test reads it."""

from __future__ import annotations

from typing import Self

import asyncpg

from baton.database.notifications import channel
from tests.waiting import eventually


class Notifications:
    """Collects what is notified on one connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._payloads: list[str] = []
        self._marks = 0

    @classmethod
    async def heard_on(cls, connection: asyncpg.Connection) -> Self:
        """Listen on this connection from now on."""
        heard = cls(connection)
        await connection.add_listener(channel("baton"), lambda *notification: heard._payloads.append(notification[-1]))
        return heard

    async def received(self) -> list[str]:
        """Return what was committed since the last call, sorted.

        It notifies a mark of its own and waits for that: the server delivers notifications in the order of commits.
        """
        self._marks += 1
        mark = f"mark {self._marks}"
        await self._connection.execute("select pg_notify($1, $2)", channel("baton"), mark)
        await eventually(lambda: mark in self._payloads)
        payloads, self._payloads = self._payloads, []
        return sorted(payload for payload in payloads if payload != mark)
