"""What users write, and type checkers must accept in their strictest mode. It is checked and never run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_type

from baton import (
    Backoff,
    Baton,
    Cancel,
    Context,
    Engine,
    FinalWorkflowState,
    InvalidWorkflow,
    Provided,
    Run,
    Skip,
    Snooze,
    Status,
    StepRecord,
    StepState,
    Unserved,
    WorkerPool,
    WorkflowState,
    each,
    insert_many,
    provided,
    result_of,
    worker,
)
from baton.errors.faults import Cycle, Fault


@dataclass
class Page:
    url: str


class Client:
    async def get(self, url: str) -> bytes:
        return url.encode()


class Patient:
    def delay(self, attempt: int) -> float:
        return 60.0 * attempt


@worker
async def fetch(url: str, tries: int = 3) -> Page:
    return Page(url)


@worker(queue="cpu", max_attempts=5, timeout=timedelta(minutes=1), backoff=Patient(), executor="process")
def count_words(page: Page) -> dict[str, int]:
    return {page.url: 1}


@worker(backoff=lambda attempt: 2.0 * attempt)
async def report(ctx: Context, counts: Sequence[dict[str, int]]) -> str | Snooze | Cancel | Skip:
    ctx.log.info("attempt %d of step %s", ctx.attempt, ctx.step)
    return Snooze(5) if ctx.attempt == 1 else ctx.idempotency_key


@worker
async def download(url: str, client: Provided[Client] = provided) -> int:
    return len(await client.get(url))


@worker(transactional=True)
async def store(ctx: Context, words: dict[str, int]) -> None:
    await ctx.connection.execute("select 1")


retrieve = worker(name="retrieve")(fetch)
policy: Backoff = Patient()


async def plain_calls() -> None:
    assert_type(await fetch("x"), Page)
    assert_type(count_words(Page("x")), dict[str, int])
    assert_type(await retrieve("x", tries=1), Page)


def jobs() -> Baton:
    job = fetch.new(url="x").with_options(queue="web", schedule_in=5, scheduled_at=datetime(2024, 1, 1, tzinfo=UTC))
    return (
        Baton.new(workflow_name="compare", ignore_discarded=True, meta={"for": "Ann"})
        .add("a", job)
        .add("b", retrieve.new("y", tries=2))
        .add("words", count_words.new(page=each([result_of("a"), result_of("b")])))
        .add("report", report.new(counts=result_of("words")), deps=["a"])
        .add("store", store.new(words={"x": 1}))
        .add("download", download.new(url="z"))
    )


async def handles(engine: Engine) -> None:
    run = await jobs().insert(engine)
    state = await run.wait(timeout=5)
    assert_type(state, FinalWorkflowState)
    match state:
        case "completed" | "failed" | "cancelled":
            pass
    assert_type(await run.result("a", worker=fetch), Page)
    assert_type(await run.result("words[0]", 5, worker=count_words), dict[str, int])
    assert_type(await (await fetch.new(url="x").insert()).result(fetch), Page)
    runs: list[Run] = await insert_many([jobs(), fetch.new(url="x")])
    status: Status = await runs[0].status()
    workflow_state: WorkflowState = status.state
    unserved: Sequence[Unserved] = status.unserved
    records: Sequence[StepRecord] = await runs[0].steps()
    states: list[StepState] = [record.state for record in records]
    print(workflow_state, unserved, states, status.counts.get("completed", 0))


def faults(flow: Baton) -> list[Fault]:
    try:
        flow.validate()
    except InvalidWorkflow as error:
        return [fault for fault in error.faults if isinstance(fault, Cycle)]
    return []


async def serve(engine: Engine) -> None:
    async with WorkerPool(engine, queues={"default": 5}, keep=timedelta(days=1)) as pool:
        assert_type(pool.health().is_ready, bool)
