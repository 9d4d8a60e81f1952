"""One campaign: sets the scene, lets the faults rage, waits until everything has come to rest, and judges."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from baton import Engine
from baton.embedded.server import EmbeddedServer
from campaign.audit import SLACK_SECONDS, Audit
from campaign.drills import Drills
from campaign.ledger import Ledger
from campaign.load import Load
from campaign.missed_notifications import Deaf
from campaign.nemesis import Weather
from campaign.profile import LEASE_SECONDS, SWEEP_SECONDS, Doses
from campaign.server import Admin, complaints, start_server
from campaign.tally import Tally
from campaign.workers import Crew
from tests.effects import Effects
from tests.faults.proxy import Proxy

QUEUES = {"default": 12, "other": 6}
POOL = {"queues": QUEUES, "lease": LEASE_SECONDS, "grace": 0.3}
STILL_SECONDS = 25.0
"""If nothing ends for so long after the last fault, nothing will."""
MOST_CALM_SECONDS = 150.0
CLOSING_SECONDS = 120.0
MOST_REPORTS = 30


@dataclass(slots=True)
class Findings:
    """Violations, each printed when it is found."""

    tell: Callable[[str], None]
    seed: str
    stops_at_first: bool
    count: int = 0
    first: asyncio.Event = field(default_factory=asyncio.Event)
    _told: set[str] = field(default_factory=set)

    def report(self, finding: str) -> None:
        if finding in self._told:
            return
        self._told.add(finding)
        self.count += 1
        if self.count <= MOST_REPORTS:
            self.tell(f"VIOLATION (seed {self.seed}): {finding}")
        if self.stops_at_first:
            self.first.set()


@dataclass(slots=True)
class Campaign:
    """One campaign from a seed. `run` returns the number of violations."""

    seed: str
    doses: Doses
    findings: Findings
    tally: Tally = field(default_factory=Tally)

    async def run(self) -> int:
        with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
            server = await asyncio.to_thread(start_server)
            try:
                async with self._scene(server, Path(folder)) as scene:
                    await self._until_first(scene.play())
                    scene.judge()
            finally:
                await asyncio.to_thread(server.stop)
        return self.findings.count

    async def _until_first(self, playing: Coroutine[Any, Any, None]) -> None:
        """Play to the end, or to the first violation if that is all that is wanted."""
        play = asyncio.create_task(playing)
        first = asyncio.create_task(self.findings.first.wait())
        limit = self.doses.seconds + MOST_CALM_SECONDS + CLOSING_SECONDS
        done, _ = await asyncio.wait({play, first}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            self.findings.report(f"the campaign did not come to its end within {limit:.0f} s")
        for task in (play, first):
            task.cancel()
        await asyncio.wait({play, first})
        if not play.cancelled():
            play.result()

    @asynccontextmanager
    async def _scene(self, server: EmbeddedServer, folder: Path) -> AsyncIterator[Scene]:
        report, tally = self.findings.report, self.tally
        effects = Effects(folder / "effects.log")
        log = folder / "workers.log"
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            admin = await enter(Admin(server.dsn()))
            proxy = await enter(Proxy(server.dsn()))
            engine = await enter(Engine(server.dsn()))
            settings = {
                "addresses": [server.dsn(), proxy.dsn],
                "schema": "baton",
                "effects": str(effects.path),
                "log": str(log),
                "processes": self.doses.processes,
                "pool": POOL,
            }
            crew = await enter(Crew("main", settings, {"BATON_TEST_EFFECTS": str(effects.path)}, tally))
            ledger = Ledger(effects.path, tally)
            load = Load(self.seed, engine, admin, ledger, tally, report, self.doses.unfinished)
            deaf = await enter(Deaf.set(server.dsn(), folder, admin, tally, report))
            drills = Drills(server.dsn(), self.seed, tally, report)
            weather = Weather(self.seed, self.doses, server, admin, crew, proxy, tally)
            yield Scene(self, server, crew, load, weather, Audit(admin, tally, report), drills, deaf, log)


@dataclass(slots=True)
class Scene:
    """All that takes part."""

    campaign: Campaign
    server: EmbeddedServer
    crew: Crew
    load: Load
    weather: Weather
    audit: Audit
    drills: Drills
    deaf: Deaf
    log: Path

    async def play(self) -> None:
        tell, until = self.campaign.findings.tell, time.monotonic() + self.campaign.doses.seconds
        async with asyncio.TaskGroup() as all_along:
            lasting = [
                all_along.create_task(each)
                for each in (self.load.watch(), self.load.cancel_what_hangs(), self.audit.watch())
            ]
            raging = [
                all_along.create_task(each) for each in (self.weather.rage(), self.drills.watch(), self.deaf.watch())
            ]
            await self.load.insert(until)
            for task in raging:
                task.cancel()
            tell(f"calm after {self.campaign.doses.seconds:.0f} s: {len(self.load.plans)} workflows are unfinished")
            await self._rest()
            for task in lasting:
                task.cancel()
        await self._end()

    async def _rest(self) -> None:
        """Wait until every workflow has ended, as long as any does."""
        started = last = time.monotonic()
        unfinished = -1
        while self.load.plans and time.monotonic() - last < STILL_SECONDS:
            if len(self.load.plans) != unfinished:
                unfinished, last = len(self.load.plans), time.monotonic()
            if time.monotonic() - started > MOST_CALM_SECONDS:
                break
            await asyncio.sleep(0.2)

    async def _end(self) -> None:
        """End the processes, verify the rest, and look once more."""
        report = self.campaign.findings.report
        await asyncio.sleep(2 * SWEEP_SECONDS)
        await self.audit.look()  # while there still are sweeps
        if not await self.crew.drain():
            report("the worker processes did not end within their time after SIGTERM")
        await self.load.look()
        while self.load.ended:
            await self.load.verify(list(self.load.ended)[:40])
        for workflow in tuple(self.load.plans):
            await self.load.report_unfinished(workflow)
        await self.audit.look(SLACK_SECONDS)

    def judge(self) -> None:
        """Add what only the end can tell."""
        findings = self.campaign.findings
        for finding in (*self.crew.unexpected, *self.load.ledger.faults, *complaints(self.server), *self._logged()):
            findings.report(finding)
        if not findings.first.is_set():
            for finding in self.campaign.tally.lacking(self.campaign.doses.least()):
                findings.report(finding)

    def _logged(self) -> list[str]:
        """What the worker processes never expected."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return [
            "\n".join([f"a worker process says: {line}", *lines[number + 1 : number + 40]])
            for number, line in enumerate(lines)
            if " CRITICAL " in line or "never retrieved" in line
        ]
