"""The faults: processes are killed, stopped and continued, backends killed, connections cut, the server restarted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from baton.embedded.server import EmbeddedServer
from campaign.profile import LEASE_SECONDS, Profile
from campaign.server import Admin
from campaign.tally import Tally
from campaign.workers import Workers
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
class Nemesis:
    """Makes faults at random times, at the mean intervals of the profile."""

    seed: str
    profile: Profile
    server: EmbeddedServer
    admin: Admin
    workers: Workers
    proxy: Proxy
    tally: Tally

    async def run(self) -> None:
        """Make faults until cancelled; then resume every stopped process and every frozen connection."""
        profile = self.profile
        try:
            async with asyncio.TaskGroup() as faults:
                for name, make, seconds in (
                    ("kill", self.kill, profile.kill),
                    ("terminate", self.terminate, profile.terminate),
                    ("stop", self.stop, profile.stop),
                    ("stop another", self.stop, profile.stop),
                    ("backends", self.kill_backends, profile.backends),
                    ("cut", self.cut, profile.cut),
                    ("freeze", self.freeze, profile.freeze),
                    ("restart", self.restart, profile.restart),
                ):
                    faults.create_task(self._repeat(name, make, seconds))
        finally:
            self.proxy.thaw()
            for pid in tuple(self.workers.stopped):
                self.workers.resume(pid)

    async def _repeat(
        self, name: str, make: Callable[[random.Random], Coroutine[Any, Any, None]], seconds: float
    ) -> None:
        chance = random.Random(f"{self.seed}/{name}")
        while True:
            await asyncio.sleep(seconds * chance.uniform(0.5, 1.1))
            await make(chance)

    async def kill(self, chance: random.Random) -> None:
        if (pid := self.workers.choose(chance)) is not None:
            self.workers.kill(pid)
            self.tally.add("SIGKILLs")

    async def terminate(self, chance: random.Random) -> None:
        if (pid := self.workers.choose(chance)) is not None:
            self.workers.terminate(pid)
            self.tally.add("SIGTERMs")

    async def stop(self, chance: random.Random) -> None:
        """Stop a process until its lease has run out, and a little longer."""
        pid = self.workers.choose(chance)
        if pid is None:
            return
        self.workers.stop(pid)
        await asyncio.sleep(LEASE_SECONDS + chance.uniform(0.3, 1.2))
        expired = await self.admin.value(
            "select exists (select from pools where pid = $1 and expires_at < clock_timestamp())", pid
        )
        self.tally.add("SIGSTOPs past the lease" if expired else "SIGSTOPs of a process without a lease")
        self.workers.resume(pid)

    async def kill_backends(self, chance: random.Random) -> None:
        killed = await self.admin.value(
            _KILL_BACKENDS, chance.randint(1, 2 * self.profile.backends_at_once - 1), chance.random() < 0.5
        )
        self.tally.add("backends killed", killed)

    async def cut(self, chance: random.Random) -> None:
        """Cut a connection after the server has committed and before the client knows; sometimes elsewhere."""
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
        """Freeze all heartbeats until the leases have run out, although the processes are well."""
        frozen = self.proxy.freeze("heartbeat")
        await asyncio.sleep(LEASE_SECONDS * 1.3)
        self.proxy.thaw()
        self.tally.add("heartbeats frozen past the lease", frozen)

    async def restart(self, _chance: random.Random) -> None:
        await asyncio.to_thread(self.server.restart, immediate=True)
        self.tally.add("immediate restarts of the server")
