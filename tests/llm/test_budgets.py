"""Budgets: what is reserved, what happens when nothing is left, and that kills leave nothing behind."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from baton import Baton, Context, Engine, InvalidOption, Run, WorkerPool, each, worker
from baton.core.outcome import no_budget
from baton.database.messages import ClaimRequest, Settlement
from baton.errors import StepFailed
from baton.llm import Budget, Estimate, PriceTable, TokenPrice, Usage
from tests.cli.command import ROOT, environment
from tests.programs.budget_workers import spend_slowly
from tests.waiting import eventually

SECONDS = 30
PRICES = PriceTable({"m": TokenPrice(input=Decimal(1_000_000), output=Decimal(0))}, version="a dollar a token")


@worker(name="budget spend", max_attempts=3, backoff=0)
async def spend(ctx: Context, tokens: int = 1) -> int:
    ctx.record_usage(Usage(model="m", input_tokens=tokens, output_tokens=0))
    return tokens


@worker(name="budget spend and fail", max_attempts=5, backoff=0)
async def spend_and_fail(ctx: Context) -> None:
    ctx.record_usage(Usage(model="m", input_tokens=1, output_tokens=0))
    raise ValueError("no")


@worker(name="budget unpriced")
async def spend_unpriced(ctx: Context) -> None:
    ctx.record_usage(Usage(model="nobody-knows", input_tokens=1, output_tokens=0))


@worker(name="budget plain")
async def plain() -> str:
    return "done"


@worker(name="budget graph")
async def graph(ctx: Context) -> Baton:
    return Baton.new(budget=Budget(tokens=1)).add("a", spend.new()).add("b", spend.new(), deps=["a"])


@worker(name="budget hold")
async def hold(ctx: Context) -> None:
    await asyncio.Event().wait()


def dollars(cost: int, need: int | None = 1, **options: Any) -> Budget:
    estimates = None if need is None else {"*": Estimate(cost=Decimal(need))}
    return Budget(cost=Decimal(cost), estimates=estimates, **options)


@pytest.fixture
async def pool(engine: Engine) -> Any:
    async with WorkerPool(engine, queues={"default": 50}, poll=0.5, prices=PRICES, keep=None) as pool:
        yield pool


async def states(run: Any) -> dict[str, str]:
    return {step.name: step.state for step in await run.steps()}


async def test_a_step_that_does_not_fit_is_discarded_in_a_sentence(pool: WorkerPool) -> None:
    flow = Baton.new(budget=dollars(2)).add("a", spend.new(2)).add("b", spend.new(), deps=["a"])
    run = await flow.insert()

    with pytest.raises(
        StepFailed, match=r"the budget of the run is used up: \$2 of \$2 are spent, and this attempt needs"
    ):
        await run.result("b", timeout=SECONDS)
    assert (await run.usage()).cost == 2


async def test_two_hundred_steps_at_once_keep_the_budget(pool: WorkerPool) -> None:
    flow = Baton.new(budget=dollars(20)).add("map", spend.new(each([1] * 200)))
    run = await flow.insert()
    await run.wait(timeout=SECONDS)

    assert (await run.usage()).cost == 20
    (state,) = await run.budgets()
    assert (state.spent_cost, state.reserved_cost) == (20, 0)


async def test_it_is_exceeded_by_the_error_of_the_estimates_alone(pool: WorkerPool) -> None:
    """Each attempt reserves 2 and spends 3; the last one begins while 2 are left."""
    flow = Baton.new(budget=dollars(20, 2)).add("map", spend.new(each([3] * 60)))
    run = await flow.insert()
    await run.wait(timeout=SECONDS)

    cost = (await run.usage()).cost
    assert cost is not None
    assert 18 <= cost <= 20 + 10


async def test_what_an_attempt_does_not_use_is_there_for_others(pool: WorkerPool) -> None:
    """Ten steps reserve the whole budget each, so they run one after the other, and all of them fit."""
    flow = Baton.new(budget=dollars(10, 10, on_exceeded="wait"))
    for number in range(10):
        flow.add(f"s{number}", spend.new(0))
    run = await flow.insert()
    await run.wait(timeout=SECONDS)

    assert set((await states(run)).values()) == {"completed"}


async def test_failed_attempts_spend_the_budget(pool: WorkerPool) -> None:
    run = await Baton.new(budget=dollars(3)).add("a", spend_and_fail.new()).insert()

    with pytest.raises(StepFailed, match="is used up"):
        await run.result("a", timeout=SECONDS)
    assert (await run.usage()).calls == 3


async def test_a_step_waits_until_the_budget_is_raised(pool: WorkerPool) -> None:
    flow = Baton.new(budget=dollars(1, on_exceeded="wait")).add("a", spend.new()).add("b", spend.new(), deps=["a"])
    run = await flow.insert()

    async def waits() -> bool:
        return {step.name: step.state for step in await run.steps()}["b"] == "scheduled"

    await eventually(waits, SECONDS)
    b = (await run.steps())[1]
    assert b.reason == "the budget of the run is used up: $1 of $1 are spent, and this attempt needs $1"
    assert b.attempt == 0
    assert "waits for room in a budget: the budget of the run is used up: $1 of $1" in str(await run.explain("b"))

    await run.raise_budget(cost=2)
    await run.raise_budget(cost=2)

    assert await run.result("b", timeout=5) == 1


async def test_a_budget_of_tokens_counts_tokens(pool: WorkerPool) -> None:
    budget = Budget(tokens=5, estimates={"*": Estimate(tokens=2)})
    run = await Baton.new(budget=budget).add("a", spend.new(4)).add("b", spend.new(), deps=["a"]).insert()

    with pytest.raises(StepFailed, match="4 of 5 tokens are spent, and this attempt needs 2"):
        await run.result("b", timeout=SECONDS)


async def test_without_estimates_steps_start_while_something_is_left(pool: WorkerPool) -> None:
    flow = Baton.new(budget=dollars(1, None)).add("a", spend.new(5)).add("b", spend.new(), deps=["a"])
    run = await flow.insert()
    await run.wait(timeout=SECONDS)

    assert await states(run) == {"a": "completed", "b": "discarded"}


async def test_a_step_that_no_estimate_names_is_never_held_up(pool: WorkerPool) -> None:
    budget = Budget(cost=Decimal(1), estimates={"a": Estimate(cost=Decimal(1))})
    flow = Baton.new(budget=budget).add("a", spend.new(1)).add("b", plain.new(), deps=["a"])
    run = await flow.insert()

    assert await run.result("b", timeout=SECONDS) == "done"


async def test_an_unknown_cost_counts_as_what_was_reserved(pool: WorkerPool) -> None:
    flow = Baton.new(budget=dollars(2)).add("a", spend_unpriced.new()).add("b", spend.new(), deps=["a"])
    run = await flow.add("c", spend.new(), deps=["b"]).insert()
    await run.wait(timeout=SECONDS)

    assert await states(run) == {"a": "completed", "b": "completed", "c": "discarded"}


async def test_an_unknown_cost_without_a_reservation_stops_the_run(pool: WorkerPool) -> None:
    flow = Baton.new(budget=dollars(2, None)).add("a", spend_unpriced.new()).add("b", spend.new(), deps=["a"])
    run = await flow.insert()

    with pytest.raises(StepFailed, match=r"cannot be kept: 1 of its calls have no price; give WorkerPool\(prices="):
        await run.result("b", timeout=SECONDS)


async def test_a_group_and_a_returned_graph_have_budgets_of_their_own(pool: WorkerPool) -> None:
    inner = Baton.new(budget=Budget(tokens=1)).add("a", spend.new()).add("b", spend.new(), deps=["a"])
    flow = Baton.new(budget=Budget(tokens=100)).add("group", inner).add("graph", graph.new()).add("c", spend.new())
    run = await flow.insert()
    await run.wait(timeout=SECONDS)

    group, returned, c = await run.steps()
    assert [child.state for child in group.children] == ["completed", "discarded"]
    assert [child.state for child in returned.children] == ["completed", "discarded"]
    assert c.state == "completed"
    assert {state.group: state.spent_tokens for state in await run.budgets()} == {"": 3, "group": 1, "graph": 1}


async def test_runs_share_a_budget_by_key_and_by_tag(engine: Engine, pool: WorkerPool) -> None:
    def flow(team: str) -> Baton:
        budgets = [dollars(3, tag="team", per="day"), dollars(100, key="all", per="month", timezone="Europe/Berlin")]
        return Baton.new(tags={"team": team}, budget=budgets).add("a", spend.new(2))

    first, second, other = await flow("red").insert(), None, await flow("blue").insert()
    await first.wait(timeout=SECONDS)
    second = await flow("red").insert()
    third = None
    for run in (second, other):
        await run.wait(timeout=SECONDS)
    third = await flow("red").insert()

    with pytest.raises(StepFailed, match="the budget of 'tag team=red' for this day is used up"):
        await third.result("a", timeout=SECONDS)
    assert {state.shared: state.spent_cost for state in await third.budgets()} == {"tag team=red": 4, "key all": 6}

    await third.raise_budget(tag="team", cost=10)
    await third.retry()
    assert await third.result("a", timeout=SECONDS) == 2


async def test_a_kill_leaves_nothing_reserved(engine: Engine, connection: asyncpg.Connection) -> None:
    """The pool is closed without a word; after its lease its reservation counts no more."""
    run = await Baton.new(budget=dollars(1)).add("hold", hold.new()).insert()
    async with WorkerPool(engine, prices=PRICES, lease=5, grace=0):

        async def is_reserved() -> bool:
            states = await run.budgets()
            return bool(states and states[0].reserved_cost == 1)

        await eventually(is_reserved, SECONDS)
        # As if its process had died: the entry goes to another attempt.
        await connection.execute("update baton.queue set state = 'available', pool = null, token = null")

        assert (await run.budgets())[0].reserved_cost == 0
        await run.cancel()


async def test_an_undo_runs_although_nothing_is_left(pool: WorkerPool) -> None:
    flow = Baton.new(budget=dollars(1)).add("a", spend.new(1), undo=spend.new(1)).add("b", spend.new(), deps=["a"])
    run = await flow.insert()
    await run.wait(timeout=SECONDS)

    assert await states(run) == {"a": "completed", "b": "discarded", "a[undo]": "completed"}


async def test_a_run_without_a_budget_asks_nothing(pool: WorkerPool, connection: asyncpg.Connection) -> None:
    run = await Baton.new().add("a", spend.new()).insert()
    await run.wait(timeout=SECONDS)

    assert await connection.fetchval("select count(*) from baton.budgets") == 0


async def test_budgets_are_pruned_with_their_run(engine: Engine, connection: asyncpg.Connection) -> None:
    run = await Baton.new(budget=dollars(1)).add("a", spend.new()).insert()
    async with WorkerPool(engine, keep=0, prices=PRICES):

        async def is_pruned() -> bool:
            return await engine.reads.status(run.id) is None

        await eventually(is_pruned, SECONDS)
    for table in ("budgets", "budget_reservations", "budget_waits"):
        assert await connection.fetchval(f"select count(*) from baton.{table}") == 0


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        (5, "it is a Budget"),
        (Budget(), "it has no limit"),
        (Budget(cost=-1), "its cost must be a Decimal of at least 0"),
        (Budget(tokens=1.5), "its tokens must be an integer of at least 0"),
        (dollars(1, 2), r"it is smaller than the estimate for '\*', so that no attempt could ever begin"),
        (dollars(1, on_exceeded="hope"), "on_exceeded must be 'fail' or 'wait'"),
        (dollars(1, per="day"), "per= is for a budget that runs share"),
        (dollars(1, key="a", tag="b"), "it has both key and tag"),
        (dollars(1, key="a", per="week"), "per must be 'hour', 'day' or 'month'"),
        (dollars(1, key="a", timezone="Mars/Olympus"), "there is no time zone"),
        (Budget(cost=1, estimates={"a": 5}), "it says Estimate"),
    ],
)
def test_a_budget_that_cannot_work_is_refused(budget: Any, sentence: str) -> None:
    with pytest.raises(InvalidOption, match=sentence):
        Baton.new(budget=budget)


async def test_a_template_keeps_its_budget(pool: WorkerPool) -> None:
    flow = Baton.new(budget=dollars(1, key="shared", per="day")).add("a", spend.new()).add("b", spend.new(), deps=["a"])

    run = await Baton.from_template(flow.to_template()).insert()
    await run.wait(timeout=SECONDS)

    assert await states(run) == {"a": "completed", "b": "discarded"}


def test_a_budget_by_a_tag_needs_the_tag() -> None:
    with pytest.raises(InvalidOption, match="the workflow has no tag 'team'; give it with tags="):
        Baton.new(budget=dollars(1, tag="team")).add("a", plain.new()).validate()


async def test_only_a_budget_that_is_there_can_be_raised(engine: Engine) -> None:
    run = await Baton.new(budget=dollars(1)).add("a", plain.new()).insert()

    with pytest.raises(InvalidOption, match="has no such budget"):
        await run.raise_budget(cost=5, group="nowhere")


async def test_two_hundred_steps_and_killed_processes_keep_it(engine: Engine, database: str) -> None:
    """Three processes of a hundred slots, one after the other killed; each attempt spends what it has reserved."""
    flow = Baton.new(budget=dollars(60, on_exceeded="wait"))
    for number in range(200):
        flow.add(f"s{number}", spend_slowly.new(1))
    command = [sys.executable, "-m", "baton", "worker", "tests.programs.budget_workers:pool", "--address", database]
    given = {**environment(), "PYTHONPATH": str(ROOT)}

    def process() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=given, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    processes = [process() for _ in range(3)]
    run = await flow.insert()
    try:
        await eventually(lambda: spends(run, 15), SECONDS, every=0.001)
        processes[0].kill()
        await eventually(lambda: spends(run, 30), SECONDS, every=0.001)
        processes[1].kill()
        await eventually(lambda: spends(run, 60), SECONDS)
        (state,) = await run.budgets()

        assert state.spent_cost == 60
        assert state.reserved_cost == 0
        assert (await run.usage()).cost == 60

        await run.raise_budget(cost=1_000)
        await run.wait(timeout=SECONDS)
    finally:
        for one in processes:
            one.kill()
            one.wait()

    assert (await run.status()).counts == {"completed": 200}
    (state,) = await run.budgets()
    assert (state.spent_cost, state.reserved_cost) == ((await run.usage()).cost, 0)


async def spends(run: Run, cost: int) -> bool:
    states = await run.budgets()
    return bool(states and states[0].spent_cost >= cost)


async def test_a_raise_before_the_put_back_is_settled_is_not_missed(engine: Engine) -> None:
    """The step asks, the budget is raised, and only then the outcome that it waits is settled."""
    run = await Baton.new(budget=dollars(1, on_exceeded="wait")).add("a", plain.new()).insert()
    store = engine.store
    pool = await store.register(name="p", host="h", pid=1, limits={"default": 1}, workers=[], lease_seconds=60)
    (claimed,) = await store.claim(pool, ClaimRequest(uuid4(), {"default": 1}))
    asked = [{"scope": "", "cost": "1", "need_cost": "2", "on_exceeded": "wait"}]
    no_room = await store.reserve_budgets(claimed, json.dumps(asked))
    assert no_room is not None
    assert not no_room.is_final

    await run.raise_budget(cost=5)
    await store.settle([Settlement(claimed.step_id, claimed.token, no_budget(no_room.why, no_room.seconds))])

    (again,) = await store.claim(pool, ClaimRequest(uuid4(), {"default": 1}))
    assert (again.step, again.attempt) == ("a", 1)
    assert await store.reserve_budgets(again, json.dumps(asked)) is None


async def test_the_database_refuses_budgets_that_python_would_not_write(connection: asyncpg.Connection) -> None:
    document = json.loads(Baton.new(budget=dollars(1)).add("a", plain.new()).to_json())
    document["scope"]["budgets"][0]["per"] = "week"

    with pytest.raises(asyncpg.InvalidParameterValueError, match="a budget that begins anew after an unknown time"):
        await connection.execute("select baton.insert_workflow_json($1)", json.dumps(document))
