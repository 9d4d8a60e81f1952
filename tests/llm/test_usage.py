"""What calls of language models used and cost: what is recorded, what survives, and how it is summed up."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from baton import Again, Baton, Context, Engine, InvalidOption, Run, WorkerPool, each, worker
from baton.database.record_store import RecordStore
from baton.errors import StepFailed, WorkflowNotFound
from baton.llm import Budget, Estimate, Price, PriceTable, TokenPrice, Usage
from tests.cli.command import baton
from tests.waiting import eventually

SECONDS = 20
TABLE = PriceTable(
    {
        "small": TokenPrice(input=Decimal(1), output=Decimal(2), cached=Decimal("0.5")),
        "large": TokenPrice(input=Decimal(10), output=Decimal(20)),
    },
    version="test 1",
)


@worker(name="usage ask")
async def ask(ctx: Context, tokens: int = 1000) -> str:
    ctx.record_usage(Usage(input_tokens=tokens, output_tokens=100, finish_reason="stop"))
    return ctx.model


@worker(name="usage fail", max_attempts=3, backoff=0)
async def fail(ctx: Context) -> None:
    ctx.record_usage(Usage(model="small", input_tokens=10, output_tokens=1))
    if ctx.attempt < 3:
        raise ValueError("not yet")


@worker(name="usage thread")
def in_thread(ctx: Context) -> None:
    ctx.record_usage(Usage(model="small", input_tokens=10, output_tokens=1))


@worker(name="usage process", executor="process")
def in_process(ctx: Context) -> None:
    ctx.record_usage(Usage(model="small", input_tokens=10, output_tokens=1))


@worker(name="usage transactional", transactional=True, max_attempts=2, backoff=0)
async def in_transaction(ctx: Context) -> None:
    ctx.record_usage(Usage(model="small", input_tokens=10, output_tokens=1))
    if ctx.attempt == 1:
        raise ValueError("rolled back")


@worker(name="usage item")
async def ask_item(ctx: Context, item: int) -> None:
    ctx.record_usage(Usage(model="small", input_tokens=item, output_tokens=0))


@worker(name="usage bad", max_attempts=1)
async def bad(ctx: Context) -> None:
    ctx.record_usage({"text": "hello"})


@worker(name="usage hostile")
async def hostile(ctx: Context) -> None:
    ctx.record_usage(Usage(model="a\x00b\ud800" * 200, input_tokens=1, output_tokens=1))


@worker(name="usage turn")
async def turn(ctx: Context, left: int) -> Any:
    ctx.record_usage(Usage(model="small", input_tokens=10, output_tokens=1))
    return Again(left=left - 1, keep_rounds=1) if left else "done"


@worker(name="usage cached")
async def cached(ctx: Context) -> None:
    ctx.record_usage(Usage(model="large", input_tokens=10, output_tokens=1), is_cached=True)
    ctx.record_usage(Usage(model="large", input_tokens=10, output_tokens=1, cost=Decimal("0.5")))


@pytest.fixture
async def pool(engine: Engine) -> Any:
    async with WorkerPool(engine, poll=0.5, prices=TABLE, keep=None) as pool:
        yield pool


async def test_the_usage_of_a_run_is_summed_up_by_step_and_model(pool: WorkerPool) -> None:
    flow = Baton.new(models={"b": "large", "*": "small"}).add("a", ask.new()).add("b", ask.new(500))
    run = await flow.insert()
    await run.wait(timeout=SECONDS)

    usage = await run.usage()

    assert (usage.calls, usage.input_tokens, usage.output_tokens, usage.tokens) == (2, 1500, 200, 1700)
    assert usage.cost == usage.known_cost == Decimal("0.0012") + Decimal("0.007")
    assert {name: one.cost for name, one in usage.by_step.items()} == {"a": Decimal("0.0012"), "b": Decimal("0.007")}
    assert {name: one.input_tokens for name, one in usage.by_model.items()} == {"small": 1000, "large": 500}


async def test_calls_of_failed_attempts_count(pool: WorkerPool) -> None:
    run = await fail.new().insert()
    await run.wait(timeout=SECONDS)

    assert (await run.usage()).calls == 3


@pytest.mark.parametrize(("job", "calls"), [(in_thread.new(), 1), (in_process.new(), 1), (in_transaction.new(), 2)])
async def test_calls_are_recorded_wherever_the_worker_runs(pool: WorkerPool, job: Any, calls: int) -> None:
    run = await job.insert()
    await run.wait(timeout=SECONDS)

    async def are_there() -> bool:
        return (await run.usage()).calls == calls

    await eventually(are_there)


async def test_an_unknown_price_makes_the_sum_unknown_and_never_zero(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    flow = Baton.new(models={"b": "nobody-knows-it", "c": "nobody-knows-it", "*": "small"})
    run = await flow.add("a", ask.new()).add("b", ask.new()).add("c", ask.new()).insert()
    with caplog.at_level(logging.WARNING, "baton.llm"):
        await run.wait(timeout=SECONDS)

    usage = await run.usage()

    assert (usage.cost, usage.known_cost, usage.unpriced_calls) == (None, Decimal("0.0012"), 2)
    assert usage.by_step["a"].cost == Decimal("0.0012")
    assert usage.by_step["b"].cost is None
    warned = [record.getMessage() for record in caplog.records if "nobody-knows-it" in record.getMessage()]
    assert len(warned) == 1


async def test_calls_without_an_own_price_have_a_public_one(pool: WorkerPool, connection: asyncpg.Connection) -> None:
    run = await ask.new().insert(models={"*": "gpt-4o"})
    await run.wait(timeout=SECONDS)

    (row,) = await connection.fetch("select * from baton.model_calls")

    assert row["cost"] == Decimal("0.0025") + Decimal("0.001")
    assert row["price_version"].startswith("genai-prices ")
    assert row["provider"] == "openai"


async def test_a_row_says_all_about_its_call(pool: WorkerPool, connection: asyncpg.Connection) -> None:
    flow = Baton.new(workflow_name="talk", models={"*": "small"}).add("a", ask.new())
    run = await flow.insert()
    await run.wait(timeout=SECONDS)

    (row,) = await connection.fetch("select * from baton.model_calls")

    assert (row["run_id"], row["run_name"], row["step"], row["worker"]) == (run.id, "talk", "a", "usage ask")
    assert (row["model_asked"], row["model"], row["finish_reason"]) == ("small", "small", "stop")
    assert (row["attempt"], row["price_version"], row["is_cached"]) == (1, "test 1", False)
    assert abs(row["at"] - (await run.status()).finished_at) < timedelta(seconds=SECONDS)


async def test_a_run_that_asks_no_model_has_used_nothing(engine: Engine) -> None:
    run = await ask.new().insert()

    usage = await run.usage()

    assert (usage.calls, usage.cost, usage.by_step) == (0, 0, {})
    with pytest.raises(WorkflowNotFound):
        await Run("nobody", engine).usage()


async def test_an_answer_that_nobody_knows_fails_the_attempt_in_a_sentence(pool: WorkerPool) -> None:
    run = await bad.new().insert()

    with pytest.raises(StepFailed, match=r"dict is no answer of openai.*write Usage\(model="):
        await run.result(timeout=SECONDS)


async def test_a_model_name_that_cannot_be_stored_is_made_storable(pool: WorkerPool) -> None:
    run = await hostile.new().insert()
    await run.wait(timeout=SECONDS)

    (model,) = (await run.usage()).by_model
    assert model.startswith("a?b?a?b?")
    assert len(model) == 200


async def test_the_rounds_that_are_pruned_keep_their_usage(pool: WorkerPool) -> None:
    run = await turn.new(3).insert()
    await run.wait(timeout=SECONDS)

    assert (await run.usage()).calls == 4


async def test_what_came_from_an_own_cache_cost_nothing(pool: WorkerPool) -> None:
    run = await cached.new().insert()
    await run.wait(timeout=SECONDS)

    usage = await run.usage()

    assert (usage.calls, usage.cached_answers, usage.cost) == (2, 1, Decimal("0.5"))


async def test_the_usage_of_all_runs_is_summed_up_by_what_is_asked(engine: Engine, pool: WorkerPool) -> None:
    runs = [
        await Baton.new(workflow_name=name, models={"*": model}).add("a", ask.new()).insert()
        for name, model in [("x", "small"), ("x", "large"), ("y", "small")]
    ]
    for run in runs:
        await run.wait(timeout=SECONDS)

    by_model = await engine.usage(since=timedelta(hours=1))
    by_name = await engine.usage(by="workflow")

    assert {name: one.calls for name, one in by_model.by.items()} == {"large": 1, "small": 2}
    assert (by_model.calls, by_model.cost) == (3, Decimal("0.0144"))
    assert {name: one.calls for name, one in by_name.by.items()} == {"x": 2, "y": 1}
    assert (await engine.usage(since=datetime(8000, 1, 1, tzinfo=UTC))).calls == 0
    assert set((await engine.usage(by="day")).by) != set()
    with pytest.raises(InvalidOption, match="it is one of model, provider, workflow"):
        await engine.usage(by="colour")  # type: ignore[arg-type]


async def test_prices_that_change_do_not_change_what_was_recorded(engine: Engine) -> None:
    run = await Baton.new(models={"*": "m"}).add("a", ask.new()).add("b", ask.new(), deps=["a"]).insert()
    costs: list[Any] = []

    def prices(usage: Usage) -> Price:
        costs.append(usage.model)
        return Price(Decimal(len(costs)), f"version {len(costs)}")

    async with WorkerPool(engine, prices=prices):
        await run.wait(timeout=SECONDS)

    assert {name: one.cost for name, one in (await run.usage()).by_step.items()} == {"a": 1, "b": 2}


async def test_prices_that_fail_leave_the_cost_unknown(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    run = await ask.new().insert(models={"*": "m"})

    async with WorkerPool(engine, prices=lambda usage: 1 / 0):  # type: ignore[arg-type, return-value]
        await run.wait(timeout=SECONDS)

    assert (await run.usage()).unpriced_calls == 1
    assert "the application's prices failed" in caplog.text


def test_a_price_table_has_the_price_of_the_time_of_the_call() -> None:
    turn_of_the_year = datetime(2026, 1, 1, tzinfo=UTC)
    old = TokenPrice(input=Decimal(1), output=Decimal(0))
    new = TokenPrice(input=Decimal(2), output=Decimal(0), since=turn_of_the_year)
    table = PriceTable({"m": [new, old]}, version="v")

    def cost(at: datetime | None) -> Decimal:
        price = table(Usage(model="m", input_tokens=1_000_000, output_tokens=0, at=at))
        assert price is not None
        return price.cost

    assert cost(turn_of_the_year - timedelta(days=1)) == 1
    assert cost(turn_of_the_year) == 2
    assert cost(None) == 2
    assert table(Usage(model="other", input_tokens=1, output_tokens=0)) is None


async def test_usage_is_pruned_with_its_run(engine: Engine, connection: asyncpg.Connection) -> None:
    await prune_after_end(engine, {})

    assert await connection.fetchval("select count(*) from baton.model_calls") == 0


async def test_usage_may_be_kept_longer_than_its_run(engine: Engine, connection: asyncpg.Connection) -> None:
    await prune_after_end(engine, {"keep_usage": timedelta(days=400)})

    assert (await engine.usage(by="step")).by["usage ask"].calls == 1

    await connection.execute("update baton.model_calls set at = at - interval '401 days'")
    async with WorkerPool(engine, keep=0, keep_usage=timedelta(days=400)):

        async def is_gone() -> bool:
            return bool(await connection.fetchval("select count(*) from baton.model_calls") == 0)

        await eventually(is_gone)


async def prune_after_end(engine: Engine, options: Any) -> None:
    run = await ask.new().insert(models={"*": "small"})
    async with WorkerPool(engine, keep=None, prices=TABLE):
        await run.wait(timeout=SECONDS)
    async with WorkerPool(engine, keep=0, **options):

        async def is_pruned() -> bool:
            return await engine.reads.status(run.id) is None

        await eventually(is_pruned)


async def test_a_call_is_written_while_its_attempt_still_runs(pool: WorkerPool, held: Any) -> None:
    run = await held.new().insert()

    async def is_there() -> bool:
        return (await run.usage()).calls == 1

    await eventually(is_there)
    assert (await run.steps())[0].state == "executing"
    await run.cancel()


@pytest.fixture
def held() -> Any:
    """A worker that records and goes on."""

    @worker
    async def record_and_wait(ctx: Context) -> None:
        ctx.record_usage(Usage(model="small", input_tokens=10, output_tokens=1))
        await asyncio.Event().wait()

    return record_and_wait


async def test_many_calls_leave_with_their_settles(engine: Engine, statements: Any, pool: WorkerPool) -> None:
    """Statements per call: none of its own, as the records leave with outcomes."""
    run = await Baton.new().add("map", ask_item.new(each(list(range(200))))).insert()
    await run.wait(timeout=SECONDS)

    assert (await run.usage()).calls == 200
    assert statements("leave_records") == 0


@pytest.fixture
async def statements(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> Callable[[str], int]:
    """How many calls that write records by themselves were made."""
    made: list[str] = []
    leave = RecordStore.leave_records

    async def counted(self: RecordStore, records: Any) -> None:
        made.append("leave_records")
        await leave(self, records)

    monkeypatch.setattr(RecordStore, "leave_records", counted)
    return made.count


async def test_the_command_prints_what_was_used(pool: WorkerPool, database: str, tmp_path: Path) -> None:
    budget = Budget(cost=Decimal(1), tokens=5_000, estimates={"none": Estimate()})
    flow = Baton.new(workflow_id="talk", models={"b": "nobody-knows-it", "*": "small"}, budget=budget)
    run = await flow.add("a", ask.new()).add("b", ask.new()).insert()
    await run.wait(timeout=SECONDS)

    printed = baton("usage", "talk", cwd=tmp_path, database=database).stdout
    by_step = baton("usage", "--by", "step", "--since", "1h", cwd=tmp_path, database=database).stdout
    data = json.loads(baton("usage", "talk", "--json", cwd=tmp_path, database=database).stdout)

    assert "$0.0012 + unknown" in printed
    assert "1 of 2 calls have no price: the sum is not known" in printed
    assert "budget of the run: $0.0012 of $1.00, and 1 without a price; 2,200 of 5,000 tokens" in printed
    assert by_step.splitlines()[0].split() == ["step", "calls", "input", "cached", "output", "reasoning", "cost"]
    assert (data["cost"], data["known_cost"], data["by_step"]["a"]["cost"]) == (None, "0.0012", "0.0012")


async def test_a_viewer_reads_usage(engine: Engine, pool: WorkerPool, connection: asyncpg.Connection) -> None:
    run = await ask.new().insert(models={"*": "small"})
    await run.wait(timeout=SECONDS)

    granted = await connection.fetchval(
        "select has_table_privilege(c.relowner, c.oid, 'select') from pg_class c where c.relname = 'model_calls'"
    )
    assert granted
