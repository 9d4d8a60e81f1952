"""The workers of random workflows: each call follows the step's plan, and logs its start and its end."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from baton import Again, Baton, Cancel, Context, Fail, RetryAfter, Skip, Snooze, result_of, worker
from baton.core.job import Job
from tests.effects import Effects
from tests.model.plan import DEFAULTS, Plan, StepPlan, nested, value_of

EFFECTS = "BATON_TEST_EFFECTS"
"""The environment variable that names the effects log; beside it lie the marks of snoozes."""

SECONDS_WITHOUT_END = 120.0
SECONDS_TOO_LONG = 1.5
"""How long a thread runs past its timeout: nothing can stop it, and its slot waits for it."""
BACKOFF = 0.01


class Boom(Exception):  # noqa: N818  # short in hundreds of error texts
    """Raised by a step that has to fail."""


class Fatal(Exception):  # noqa: N818  # as above
    """Raised by a step that can never succeed."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a worker."""

    workflow: str
    plan: StepPlan
    given: Mapping[str, Any]
    attempt: int | None = None
    """None if the worker cannot know it; then it does the same in each attempt."""
    pool: int | None = None
    """The process id of the worker pool, None if the worker cannot know it."""
    kept: int | None = None
    """The number of the last snooze, which kept it; None if the worker cannot know it."""

    def begin(self) -> str:
        """Log the start, and return the act."""
        self._log("start", given=self.given, kept=self.kept)
        if self.plan.rounds > 0:
            return "again"
        return "snooze" if self._is_to_snooze() else self.plan.act(self.attempt or 1)

    def end(self, act: str) -> None:
        """Log the end, just before the act itself."""
        self._log("end", act=act)

    async def hang(self) -> None:
        """Stay until cancelled."""
        self._log("hang")
        try:
            await asyncio.sleep(SECONDS_WITHOUT_END)
        finally:
            self.end("stopped")

    def answer(self, act: str) -> Any:
        """Do what the act says: return or raise."""
        name = self.plan.name
        match act:
            case "again":
                return Again(plan=replace(self.plan, rounds=self.plan.rounds - 1))
            case "snooze":
                return Snooze(self.plan.snooze, keep=0 if self.kept is None else self.kept + 1)
            case "retry":
                return RetryAfter(0)
            case "cancel":
                return Cancel(f"{name} says cancelled")
            case "skip":
                return Skip(f"{name} says skipped")
            case "fail":
                return Fail(f"{name} fails for good")
            case "fatal":
                raise Fatal(f"{name} fails for good")
            case "return":
                return value_of(name, self.plan.flavour, self.given)
            case _:
                raise Boom(f"{name} fails in attempt {self.attempt}")

    def do(self) -> Any:
        """The whole call, for a worker that is not async."""
        act = self.begin()
        self.end(act)
        if act == "overrun":
            time.sleep(SECONDS_TOO_LONG)
        return self.answer(act)

    def _log(self, event: str, **facts: Any) -> None:
        log().write(
            workflow=self.workflow,
            step=self.plan.name,
            event=event,
            attempt=self.attempt,
            queue=self.plan.queue,
            pool=self.pool,
            **facts,
        )

    def _is_to_snooze(self) -> bool:
        # A snooze spends no attempt: files beside the log count how many there were.
        digest = hashlib.sha256(f"{self.workflow}\n{self.plan.name}".encode()).hexdigest()
        return any(is_first(log().path.with_name(f"{digest}.{number}")) for number in range(self.plan.snoozes))


@worker(backoff=BACKOFF, fatal=[Fatal])
async def act(
    ctx: Context,
    plan: StepPlan,
    left: Any = DEFAULTS["left"],
    right: Any = DEFAULTS["right"],
    several: Any = DEFAULTS["several"],
) -> Any:
    call = Call(ctx.workflow_id, plan, given(left, right, several, ctx), ctx.attempt, os.getpid(), ctx.kept)
    match what := call.begin():
        case "hang":
            await call.hang()
        case "overrun":
            call.end(what)
            await asyncio.sleep(SECONDS_WITHOUT_END)
        case _:
            call.end(what)
    return call.answer(what)


@worker(backoff=BACKOFF, fatal=[Fatal])
def act_in_thread(
    ctx: Context,
    plan: StepPlan,
    left: Any = DEFAULTS["left"],
    right: Any = DEFAULTS["right"],
    several: Any = DEFAULTS["several"],
) -> Any:
    return Call(ctx.workflow_id, plan, given(left, right, several, ctx), ctx.attempt, os.getpid(), ctx.kept).do()


@worker(backoff=BACKOFF, executor="process", fatal=[Fatal])
def act_in_process(
    ctx: Context,
    plan: StepPlan,
    left: Any = DEFAULTS["left"],
    right: Any = DEFAULTS["right"],
    several: Any = DEFAULTS["several"],
) -> Any:
    return Call(ctx.workflow_id, plan, given(left, right, several, ctx), ctx.attempt, kept=ctx.kept).do()


@worker(backoff=BACKOFF, fatal=[Fatal])
def act_plainly(
    workflow: str,
    plan: StepPlan,
    left: Any = DEFAULTS["left"],
    right: Any = DEFAULTS["right"],
    several: Any = DEFAULTS["several"],
) -> Any:
    """Takes no context, so a claim delivers only the results that it refers to."""
    return Call(workflow, plan, given(left, right, several, None), pool=os.getpid()).do()


WORKERS = {each.name: each for each in (act, act_in_thread, act_in_process, act_plainly)}


def given(left: Any, right: Any, several: Any, ctx: Context | None) -> dict[str, Any]:
    seen = None if ctx is None else {name: ctx.results[name] for name in sorted(ctx.results)}
    return {"left": left, "right": right, "several": several, "seen": seen}


def is_first(mark: Path) -> bool:
    """Whether no process has made this mark before."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def log() -> Effects:
    return Effects(Path(os.environ[EFFECTS]))


def built(plan: Plan, workflow_id: str) -> Baton:
    """The workflow that a plan describes."""
    flags = plan.flags
    workflow = Baton.new(
        workflow_id=workflow_id,
        workflow_name=plan.label,
        ignore_cancelled=bool(flags.cancelled),
        ignore_discarded=bool(flags.discarded),
        ignore_skipped=bool(flags.skipped),
    )
    for step in plan.steps:
        workflow.add(
            step.name,
            job_of(step, workflow_id),
            deps=step.deps,
            ignore_cancelled=step.flags.cancelled,
            ignore_discarded=step.flags.discarded,
            ignore_skipped=step.flags.skipped,
        )
    return workflow


def job_of(step: StepPlan, workflow_id: str) -> Job:
    arguments: dict[str, Any] = {"plan": step}
    if not step.sees_all_results:
        arguments["workflow"] = workflow_id
    if step.left is not None:
        arguments["left"] = result_of(step.left)
    if step.right is not None:
        arguments["right"] = result_of(step.right)
    if step.several:
        arguments["several"] = nested([result_of(name) for name in step.several])
    job = (
        WORKERS[step.worker]
        .new(**arguments)
        .with_options(queue=step.queue, priority=step.priority, max_attempts=step.max_attempts, timeout=step.timeout)
    )
    return job if step.schedule_in is None else job.with_options(schedule_in=step.schedule_in)
