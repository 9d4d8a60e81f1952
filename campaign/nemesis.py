"""The faults: processes are killed, stopped and continued, backends killed, connections cut, the server restarted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from baton.embedded.server import EmbeddedServer
from campaign.profile import LEASE_SECONDS, Doses
from campaign.server import Admin
from campaign.tally import Tally
from campaign.workers import Crew
from tests.faults.proxy import Proxy

_KILL_BACKENDS = """
    select count(pg_terminate_backend(a.pid)) filter (where pid <> pg_backend_pid()) as killed
      from (select pid
              from pg_stat_activity
             where application_name like 'baton%'
             order by (state = 'active' and $2) desc, random()
             limit $1) as a
"""


@dataclass(slots=True)
class Weather:
    """Makes faults at random times, with so many seconds between two of a sort on average."""

    seed: str
    doses: Doses
    server: EmbeddedServer
    admin: Admin
    crew: Crew
    proxy: Proxy
    tally: Tally

    async def rage(self) -> None:
        """Go on until cancelled; then everything is continued and flows again."""
        doses = self.doses
        try:
            async with asyncio.TaskGroup() as all_at_once:
                for name, make, seconds in (
                    ("kill", self.kill, doses.kill),
                    ("terminate", self.terminate, doses.terminate),
                    ("stop", self.stop, doses.stop),
                    ("stop another", self.stop, doses.stop),
                    ("backends", self.kill_backends, doses.backends),
                    ("cut", self.cut, doses.cut),
                    ("freeze", self.freeze, doses.freeze),
                    ("restart", self.restart, doses.restart),
                ):
                    all_at_once.create_task(self._repeat(name, make, seconds))
        finally:
            self.proxy.thaw()
            for pid in tuple(self.crew.stopped):
                self.crew.go_on(pid)

    async def _repeat(
        self, name: str, make: Callable[[random.Random], Coroutine[Any, Any, None]], seconds: float
    ) -> None:
        chance = random.Random(f"{self.seed}/{name}")
        while True:
            await asyncio.sleep(seconds * chance.uniform(0.5, 1.1))
            await make(chance)

    async def kill(self, chance: random.Random) -> None:
        if (pid := self.crew.choose(chance)) is not None:
            self.crew.kill(pid)
            self.tally.add("SIGKILLs")

    async def terminate(self, chance: random.Random) -> None:
        if (pid := self.crew.choose(chance)) is not None:
            self.crew.terminate(pid)
            self.tally.add("SIGTERMs")

    async def stop(self, chance: random.Random) -> None:
        """Stop a process until its lease is over, and a little longer."""
        pid = self.crew.choose(chance)
        if pid is None:
            return
        self.crew.stop(pid)
        await asyncio.sleep(LEASE_SECONDS + chance.uniform(0.3, 1.2))
        expired = await self.admin.value(
            "select exists (select from pools where pid = $1 and expires_at < clock_timestamp())", pid
        )
        self.tally.add("SIGSTOPs past the lease" if expired else "SIGSTOPs of a process without a lease")
        self.crew.go_on(pid)

    async def kill_backends(self, chance: random.Random) -> None:
        killed = await self.admin.value(
            _KILL_BACKENDS, chance.randint(1, 2 * self.doses.backends_at_once - 1), chance.random() < 0.5
        )
        self.tally.add("backends killed", killed)

    async def cut(self, chance: random.Random) -> None:
        """Cut a connection when the server has committed and before the client knows; now and then elsewhere."""
        moment = chance.choices(("answer", "request", "anywhere"), (80, 12, 8))[0]
        if moment == "anywhere":
            self.tally.add("cuts at any time", self.proxy.cut())
            return
        trap = self.proxy.trap(".advance(", "answer" if moment == "answer" else "request")
        try:
            await trap.sprung(deadline=5)
        except TimeoutError:
            return
        self.tally.add("cuts during COMMIT" if moment == "answer" else "cuts before the call arrived")

    async def freeze(self, _chance: random.Random) -> None:
        """Let nothing of the leases through, so that processes that are well lose them."""
        frozen = self.proxy.freeze("heartbeat")
        await asyncio.sleep(LEASE_SECONDS * 1.3)
        self.proxy.thaw()
        self.tally.add("lifelines frozen past the lease", frozen)

    async def restart(self, _chance: random.Random) -> None:
        await asyncio.to_thread(self.server.restart, immediate=True)
        self.tally.add("immediate restarts of the server")
