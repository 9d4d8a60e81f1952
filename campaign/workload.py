"""Inserts workflows, cancels what hangs, and verifies each workflow some time after it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from baton import Baton, Engine
from campaign.invariants import Ended, broken, committed_without_an_answer
from campaign.ledger import Ledger
from campaign.plans import campaign_plan
from campaign.records import StepRecord, read_records
from campaign.server import Admin
from campaign.tally import Tally
from tests.model.group_plan import GroupPlan
from tests.model.plan import CANCELLED_BY_TEST, Plan
from tests.programs.group_workers import workflow_of_plan
from tests.programs.random_workers import built

INSERTS_AT_ONCE = 3
PAUSE_SECONDS = 0.3
REST_SECONDS = 6.0
"""A workflow is verified this long after its end, when all that a zombie still does is in the log."""
AT_ONCE = 40
"""The number of workflows that are read and verified together."""

Report = Callable[[str], None]


@dataclass(slots=True)
class Workload:
    """The workflows of one campaign, from their insertion to their verification."""

    seed: str
    engine: Engine
    admin: Admin
    ledger: Ledger
    tally: Tally
    report: Report
    most_unfinished: int
    plans: dict[str, Plan | GroupPlan] = field(default_factory=dict)
    """The plans of the workflows whose insert returned and whose end was not seen yet."""
    ended: dict[str, tuple[float, str, Plan | GroupPlan]] = field(default_factory=dict)
    """The workflows that have ended and are not verified yet: when their end was seen, and their state."""
    inserted: int = 0
    _number: int = 0

    async def insert(self, until: float) -> None:
        """Insert workflows whenever fewer than `most_unfinished` run."""
        async with asyncio.TaskGroup() as several:
            for _ in range(INSERTS_AT_ONCE):
                several.create_task(self._insert(until))

    async def _insert(self, until: float) -> None:
        while time.monotonic() < until:
            if len(self.plans) >= self.most_unfinished:
                await asyncio.sleep(0.02)
                continue
            plan = campaign_plan(self.seed, self._number)
            self._number += 1
            try:
                await workflow_of(plan).insert(self.engine)
            except Exception as error:  # noqa: BLE001 - any error that reaches a caller is a finding
                self.report(f"the insert of workflow {plan.label} failed: {error!r}")
                continue
            self.plans[plan.label] = plan
            self.inserted += 1

    async def cancel_what_hangs(self) -> None:
        while True:
            while self.ledger.hanging:
                await self._cancel(self.ledger.hanging.pop())
            await asyncio.sleep(0.05)

    async def _cancel(self, workflow: str) -> None:
        plan = self.plans.get(workflow)
        if not isinstance(plan, Plan) or plan.cancellation is None:
            if workflow not in self.ended:  # the answer to its insert is still to come
                self.ledger.hanging.insert(0, workflow)
                await asyncio.sleep(0.05)
            return
        names = plan.cancellation.names
        try:
            await self.engine.store.cancel(workflow, None if names is None else sorted(names), CANCELLED_BY_TEST)
        except Exception as error:  # noqa: BLE001 - as above
            self.report(f"the cancelling of workflow {workflow} failed: {error!r}")
            self.ledger.hanging.insert(0, workflow)

    async def verify_ended(self) -> None:
        """Verify what ended long enough ago, until cancelled."""
        while True:
            await self.read_log_and_ends()
            before = time.monotonic() - REST_SECONDS
            ready = [workflow for workflow, (seen_at, _, _) in self.ended.items() if seen_at < before]
            await self.verify(ready[:AT_ONCE])
            await asyncio.sleep(PAUSE_SECONDS if len(ready) < AT_ONCE else 0)

    async def read_log_and_ends(self) -> None:
        """Read the log, and find the workflows that have ended."""
        self.ledger.follow()
        rows = await self.admin.fetch(
            "select id, state from workflows where id = any($1) and finished_at is not null", list(self.plans)
        )
        for row in rows:
            self.ended[row["id"]] = (time.monotonic(), row["state"], self.plans.pop(row["id"]))

    async def verify(self, workflows: Sequence[str]) -> None:
        """Compare these workflows, which have ended, with what was promised."""
        if not workflows:
            return
        self.ledger.follow()
        records = await read_records(self.admin, workflows)
        for workflow in workflows:
            _, state, plan = self.ended.pop(workflow)
            self._verify(workflow, plan, state, records.get(workflow, {}))
            await asyncio.sleep(0)

    def _verify(self, workflow: str, plan: Plan | GroupPlan, state: str, records: Mapping[str, StepRecord]) -> None:
        ended = Ended(plan, state, records, self.ledger.steps, self.ledger.events[workflow])
        if wrong := broken(ended):
            self.report("\n".join([f"workflow {workflow} is not as promised:", *wrong, *described(ended, wrong)]))
        self._count(ended)
        self.ledger.forget(workflow, {record.id: record.token for record in records.values()})

    async def report_unfinished(self, workflow: str) -> None:
        """Report that a workflow has not ended, with its steps."""
        records = (await read_records(self.admin, [workflow])).get(workflow, {})
        is_open = [f"step {one.name!r} is {one.state}" for one in records.values() if one.finished_at is None]
        plan = self.plans[workflow]
        as_it_is = Ended(plan, "executing", records, self.ledger.steps, self.ledger.events[workflow])
        what = f"workflow {workflow} was inserted and " + ("has not ended:" if records else "is not in the database")
        self.report("\n".join([what, *is_open, *described(as_it_is, is_open)]))

    def _count(self, ended: Ended) -> None:
        add = self.tally.add
        add("workflows verified")
        add("steps verified", len(ended.records))
        add("groups verified", sum(one.grouping is not None for one in ended.records.values()))
        for record in ended.records.values():
            facts = ended.facts_of(record)
            add(f"steps {record.state}")
            add("steps cancelled on request", record.reason == CANCELLED_BY_TEST)
            add("attempts started", len(facts.starts))
            add("attempts lost", sum(error["kind"] == "lost" for error in record.errors))
            add("attempts timed out", sum("longer than its timeout" in (e["error"] or "") for e in record.errors))
            add("outcomes that could not be stored", sum("not be stored" in (e["error"] or "") for e in record.errors))
            add(
                "snoozes, rounds and steps given back",
                sum(e.kind in ("snoozed", "again", "given_back") for e in facts.ends.values()),
            )
            add("unknown outcomes that had committed", committed_without_an_answer(record, facts))


def workflow_of(plan: Plan | GroupPlan) -> Baton:
    return workflow_of_plan(plan) if isinstance(plan, GroupPlan) else built(plan, plan.label)


def described(ended: Ended, wrong: Sequence[str], most: int = 12) -> list[str]:
    """Return the steps of a workflow and their facts, for a report; those that the sentences name come first."""
    lines = [f"  workflow {ended.plan.label}: {ended.state}, {len(ended.records)} steps"]
    records = sorted(ended.records.values(), key=lambda one: not any(f"step {one.name!r}" in line for line in wrong))
    for record in records[:most]:
        lines.append(
            f"  {record.name!r}: {record.state}, attempt {record.attempt}/{record.max_attempts}, token {record.token} "
            f"({record.outcome}), pool {record.pool}, waits for {list(record.dependencies)}, "
            f"from {record.attempted_at} to {record.finished_at}, reason {record.reason!r}, "
            f"result {record.result_text!r}"
        )
        lines += [f"      {line}" for line in ended.facts_of(record).lines()]
        lines += [f"      {error['kind']} in attempt {error['attempt']}: {error['error']}" for error in record.errors]
    return lines
