"""One campaign: starts everything, makes faults, waits until all workflows have ended, and reports what was wrong."""

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
from campaign.missed_notifications import MissedNotifications
from campaign.nemesis import Nemesis
from campaign.profile import LEASE_SECONDS, SWEEP_SECONDS, Profile
from campaign.server import Admin, problems_in_log, start_server
from campaign.tally import Tally
from campaign.workers import Workers
from campaign.workload import Workload
from tests.effects import Effects
from tests.faults.proxy import Proxy

QUEUES = {"default": 12, "other": 6}
POOL = {"queues": QUEUES, "lease": LEASE_SECONDS, "grace": 0.3}
SECONDS_WITHOUT_AN_END = 25.0
"""If no workflow ends for this long after the last fault, none will."""
MOST_SECONDS_AFTER_THE_FAULTS = 150.0
CLOSING_SECONDS = 120.0
MOST_REPORTS = 30


@dataclass(slots=True)
class Findings:
    """Violations, each printed when it is found."""

    log_line: Callable[[str], None]
    seed: str
    stops_at_first: bool
    count: int = 0
    first: asyncio.Event = field(default_factory=asyncio.Event)
    _reported: set[str] = field(default_factory=set)

    def report(self, finding: str) -> None:
        if finding in self._reported:
            return
        self._reported.add(finding)
        self.count += 1
        if self.count <= MOST_REPORTS:
            self.log_line(f"VIOLATION (seed {self.seed}): {finding}")
        if self.stops_at_first:
            self.first.set()


@dataclass(slots=True)
class Campaign:
    """One campaign from a seed. `run` returns the number of violations."""

    seed: str
    profile: Profile
    findings: Findings
    tally: Tally = field(default_factory=Tally)

    async def run(self) -> int:
        with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
            server = await asyncio.to_thread(start_server)
            try:
                async with self._started(server, Path(folder)) as run:
                    await self._until_first(run.run())
                    run.report_what_the_end_shows()
            finally:
                await asyncio.to_thread(server.stop)
        return self.findings.count

    async def _until_first(self, running: Coroutine[Any, Any, None]) -> None:
        """Run to the end, or to the first violation if the campaign is to stop there."""
        run = asyncio.create_task(running)
        first = asyncio.create_task(self.findings.first.wait())
        limit = self.profile.seconds + MOST_SECONDS_AFTER_THE_FAULTS + CLOSING_SECONDS
        done, _ = await asyncio.wait({run, first}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            self.findings.report(f"the campaign did not come to its end within {limit:.0f} s")
        for task in (run, first):
            task.cancel()
        await asyncio.wait({run, first})
        if not run.cancelled():
            run.result()

    @asynccontextmanager
    async def _started(self, server: EmbeddedServer, folder: Path) -> AsyncIterator[CampaignRun]:
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
                "processes": self.profile.processes,
                "pool": POOL,
            }
            workers = await enter(Workers("main", settings, {"BATON_TEST_EFFECTS": str(effects.path)}, tally))
            ledger = Ledger(effects.path, tally)
            workload = Workload(self.seed, engine, admin, ledger, tally, report, self.profile.unfinished)
            missed_notifications = await enter(MissedNotifications.begun(server.dsn(), folder, admin, tally, report))
            drills = Drills(server.dsn(), self.seed, tally, report)
            nemesis = Nemesis(self.seed, self.profile, server, admin, workers, proxy, tally)
            yield CampaignRun(
                self, server, workers, workload, nemesis, Audit(admin, tally, report), drills, missed_notifications, log
            )


@dataclass(slots=True)
class CampaignRun:
    """All parts of a running campaign."""

    campaign: Campaign
    server: EmbeddedServer
    workers: Workers
    workload: Workload
    nemesis: Nemesis
    audit: Audit
    drills: Drills
    missed_notifications: MissedNotifications
    log: Path

    async def run(self) -> None:
        log_line, until = self.campaign.findings.log_line, time.monotonic() + self.campaign.profile.seconds
        async with asyncio.TaskGroup() as everything:
            checks = [
                everything.create_task(each)
                for each in (self.workload.verify_ended(), self.workload.cancel_what_hangs(), self.audit.run())
            ]
            faults = [
                everything.create_task(each)
                for each in (self.nemesis.run(), self.drills.run(), self.missed_notifications.run())
            ]
            await self.workload.insert(until)
            for task in faults:
                task.cancel()
            seconds, unfinished = self.campaign.profile.seconds, len(self.workload.plans)
            log_line(f"the faults stop after {seconds:.0f} s: {unfinished} workflows are unfinished")
            await self._wait_until_all_have_ended()
            for task in checks:
                task.cancel()
        await self._end()

    async def _wait_until_all_have_ended(self) -> None:
        """Wait until every workflow has ended; give up when none ends any more."""
        started = last = time.monotonic()
        unfinished = -1
        while self.workload.plans and time.monotonic() - last < SECONDS_WITHOUT_AN_END:
            if len(self.workload.plans) != unfinished:
                unfinished, last = len(self.workload.plans), time.monotonic()
            if time.monotonic() - started > MOST_SECONDS_AFTER_THE_FAULTS:
                break
            await asyncio.sleep(0.2)

    async def _end(self) -> None:
        """End the processes, verify the remaining workflows, and check the database once more."""
        report = self.campaign.findings.report
        await asyncio.sleep(2 * SWEEP_SECONDS)
        await self.audit.check()  # while there still are pools that sweep
        if not await self.workers.drain():
            report("the worker processes did not end within their time after SIGTERM")
        await self.workload.read_log_and_ends()
        while self.workload.ended:
            await self.workload.verify(list(self.workload.ended)[:40])
        for workflow in tuple(self.workload.plans):
            await self.workload.report_unfinished(workflow)
        await self.audit.check(SLACK_SECONDS)

    def report_what_the_end_shows(self) -> None:
        """Report what is known only at the end."""
        findings = self.campaign.findings
        for finding in (
            *self.workers.unexpected,
            *self.workload.ledger.faults,
            *problems_in_log(self.server),
            *self._unexpected_log_lines(),
        ):
            findings.report(finding)
        if not findings.first.is_set():
            for finding in self.campaign.tally.missing(self.campaign.profile.least()):
                findings.report(finding)

    def _unexpected_log_lines(self) -> list[str]:
        """The lines of the worker processes' log that no fault explains, with what follows them."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return [
            "\n".join([f"a worker process logged: {line}", *lines[number + 1 : number + 40]])
            for number, line in enumerate(lines)
            if " CRITICAL " in line or "never retrieved" in line
        ]
