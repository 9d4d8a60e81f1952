"""A worker process whose listener is killed at the moment when work arrives, and that polls every ten minutes.

It has a database of its own: any other work would wake it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from baton import Engine
from campaign.profile import LEASE_SECONDS
from campaign.server import Admin
from campaign.tally import Tally
from campaign.workers import Workers
from campaign.workload import Report
from tests.model.plan import Plan, StepPlan
from tests.programs.random_workers import built

DATABASE = "missed"
POLL_SECONDS = 600.0
PATIENCE_SECONDS = 7.0
POLLS = 2_000
_LISTENERS = "select pid from pg_stat_activity where datname = 'missed' and application_name = 'baton listener'"
_INTERRUPTIONS = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)


@dataclass(slots=True)
class MissedNotifications:
    dsn: str
    admin: Admin
    tally: Tally
    report: Report

    @classmethod
    @asynccontextmanager
    async def begun(
        cls, dsn: str, folder: Path, admin: Admin, tally: Tally, report: Report
    ) -> AsyncIterator[MissedNotifications]:
        """Create the database, and start a process that serves it."""
        await admin.fetch(f"create database {DATABASE}")
        own = urlunsplit(urlsplit(dsn)._replace(path=f"/{DATABASE}"))
        async with Engine(own):
            pass  # makes the schema
        effects, pool = str(folder / "missed.log"), {"lease": LEASE_SECONDS, "poll": POLL_SECONDS}
        settings = {
            "addresses": [own],
            "schema": "baton",
            "effects": effects,
            "log": str(folder / "workers.log"),
            "processes": 1,
            "pool": pool,
        }
        async with Workers("missed", settings, {"BATON_TEST_EFFECTS": effects}, Tally()):
            yield cls(own, admin, tally, report)

    async def run(self) -> None:
        """Repeat until cancelled."""
        number = 0
        while True:
            number += 1
            try:
                await self._insert_unheard(f"missed/{number}")
            except _INTERRUPTIONS:
                self.tally.add("drills interrupted")
            await asyncio.sleep(0.5)

    async def _insert_unheard(self, workflow: str) -> None:
        if not (listeners := [row["pid"] for row in await self.admin.fetch(_LISTENERS)]):
            return
        inserter = await asyncpg.connect(self.dsn, server_settings={"application_name": "drill"}, timeout=10)
        try:
            before = await inserter.fetchval("select max(id) from baton.pools")
            async with self._nobody_can_connect(), inserter.transaction():
                await built(Plan(workflow, (StepPlan("only"),)), workflow).insert(inserter)
                await self.admin.fetch("select pg_terminate_backend(pid) from unnest($1::integer[]) as pid", listeners)
                await self._until_gone(listeners)
            is_done = await self._until_done(inserter, workflow)
            # A pool that registered meanwhile, because the server was restarted, has claimed for
            # that reason.
            if not is_done and before == await inserter.fetchval("select max(id) from baton.pools"):
                self.report(
                    f"a step released while the listener was away did not start within {PATIENCE_SECONDS:.0f} s"
                )
            self.tally.add("missed notification drills")
        finally:
            inserter.terminate()

    @asynccontextmanager
    async def _nobody_can_connect(self) -> AsyncIterator[None]:
        """Keep the listener from connecting until the insert that it must miss is committed."""
        command = "update pg_database set datallowconn = $1 where datname = $2"
        await self.admin.fetch(command, False, DATABASE)
        try:
            yield
        finally:
            await self.admin.fetch(command, True, DATABASE)

    async def _until_gone(self, pids: list[int]) -> None:
        query = "select count(*) from pg_stat_activity where pid = any($1)"
        for _ in range(POLLS):
            if await self.admin.value(query, pids) == 0:
                return
            await asyncio.sleep(0.002)

    async def _until_done(self, connection: asyncpg.Connection, workflow: str) -> bool:
        started = time.monotonic()
        query = "select finished_at is not null from baton.workflows where id = $1"
        while not await connection.fetchval(query, workflow):
            if time.monotonic() - started > PATIENCE_SECONDS:
                return False
            await asyncio.sleep(0.02)
        return True
