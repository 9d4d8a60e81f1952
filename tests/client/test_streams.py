"""Streams: what workers publish while they run, in order, once, and taken up where it was left."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import pytest

from baton import (
    Again,
    Baton,
    Context,
    Engine,
    InvalidOption,
    Run,
    Snooze,
    WorkerPool,
    WorkflowNotFound,
    worker,
)
from baton.contrib.events import KEEP_ALIVE, server_sent_items
from tests.runtime import imported_workers
from tests.waiting import eventually

SECONDS = 30


@pytest.fixture
async def pool(engine: Engine):
    async with WorkerPool(engine, queues={"default": 20}, grace=0) as pool:
        yield pool


@pytest.fixture
def telling():
    @worker(name="telling")
    async def telling(ctx: Context, words: list[str]) -> int:
        for word in words:
            await ctx.publish("tokens", word)
        return len(words)

    return telling


async def all_of(stream):
    async with asyncio.timeout(SECONDS):
        return [item async for item in stream]


async def test_what_a_worker_publishes_comes_in_order(pool, telling):
    run = await telling.new([str(number) for number in range(2500)]).insert()

    items = await all_of(run.follow("tokens"))

    assert [item.value for item in items] == [str(number) for number in range(2500)]
    assert [item.number for item in items] == list(range(1, 2501))
    assert {(item.step, item.attempt, item.round, item.begins_anew) for item in items} == {("telling", 1, 1, False)}


async def test_it_comes_while_the_worker_runs(pool):
    may_end = asyncio.Event()

    @worker
    async def tells(ctx: Context) -> None:
        await ctx.publish("tokens", "early")
        await may_end.wait()
        await ctx.publish("tokens", "late")

    run = await tells.new().insert()
    stream = run.follow("tokens")

    assert (await anext(stream)).value == "early"
    may_end.set()
    assert [item.value for item in await all_of(stream)] == ["late"]


async def test_every_number_leads_to_what_comes_after_it(pool, telling):
    run = await telling.new(list("abcdef")).insert()
    await run.wait(timeout=SECONDS)

    for number in range(7):
        assert "".join([item.value for item in await all_of(run.follow("tokens", after=number))]) == "abcdef"[number:]


async def test_a_retry_begins_anew_and_its_first_item_says_so(pool):
    seen = asyncio.Event()

    @worker(backoff=0)
    async def tells(ctx: Context) -> None:
        await ctx.publish("tokens", f"attempt {ctx.attempt}")
        await ctx.publish("tokens", "more")
        if ctx.attempt == 1:
            await seen.wait()
            raise RuntimeError

    run = await tells.new().insert()
    stream = run.follow("tokens")
    first = await anext(stream), await anext(stream)
    seen.set()
    rest = await all_of(stream)

    assert [item.value for item in first] == ["attempt 1", "more"]
    assert [(item.value, item.attempt, item.begins_anew) for item in rest] == [
        ("attempt 2", 2, True),
        ("more", 2, False),
    ]
    assert [item.value for item in await all_of(run.follow("tokens"))] == ["attempt 2", "more"]
    assert rest[0].number > first[-1].number


async def test_a_snooze_and_another_round_go_on(pool):
    @worker
    async def tells(ctx: Context, page: int = 1) -> Snooze | Again | None:
        await ctx.publish("tokens", page)
        if ctx.kept is None:
            return Snooze(0, keep=True)
        return Again(page=page + 1) if page < 3 else None

    run = await tells.new().insert()
    items = await all_of(run.follow("tokens"))

    assert [(item.value, item.round) for item in items] == [(1, 1), (1, 1), (2, 2), (2, 2), (3, 3), (3, 3)]
    assert not [item for item in items if item.begins_anew]


async def test_steps_may_publish_to_one_stream(pool, telling):
    run = await Baton.new().add("a", telling.new(["x"] * 50)).add("b", telling.new(["y"] * 50)).insert()

    items = await all_of(run.follow("tokens"))

    assert [item.number for item in items] == list(range(1, 101))
    assert sorted(item.step for item in items) == ["a"] * 50 + ["b"] * 50


async def test_streams_of_one_run_are_apart(pool):
    @worker
    async def tells(ctx: Context) -> None:
        await ctx.publish("left", 1)
        await ctx.publish("right", 2)

    run = await tells.new().insert()

    assert [item.value for item in await all_of(run.follow("left"))] == [1]
    assert [item.value for item in await all_of(run.follow("right"))] == [2]
    assert await all_of(run.follow("neither")) == []


@pytest.mark.parametrize("executor", ["thread", "process"])
async def test_workers_outside_of_the_loop_publish(pool, executor):
    run = await getattr(imported_workers, f"publishes_in_{executor}").new().insert()

    assert [item.value for item in await all_of(run.follow("tokens"))] == [0, 1, 2]


async def test_a_transactional_worker_publishes(pool):
    @worker(transactional=True)
    async def tells(ctx: Context) -> None:
        await ctx.publish("tokens", 1)

    run = await tells.new().insert()

    assert [item.value for item in await all_of(run.follow("tokens"))] == [1]


async def test_five_hundred_items_a_second_are_ten_writes(pool, connection):
    @worker
    async def tells(ctx: Context) -> None:
        for number in range(500):
            await ctx.publish("tokens", number)
            await asyncio.sleep(0.002)

    run = await tells.new().insert()
    began = asyncio.get_running_loop().time()
    await run.wait(timeout=SECONDS)
    seconds = asyncio.get_running_loop().time() - began

    assert await connection.fetchval("select count(*) from stream_chunks") <= 10 * seconds + 2
    assert len(await all_of(run.follow("tokens"))) == 500


async def test_items_come_once_though_connections_are_killed(engine, connection):
    @worker
    async def tells(ctx: Context) -> None:
        for number in range(300):
            await ctx.publish("tokens", number)
            await asyncio.sleep(0.01)

    seen, position, kills = [], 0, 0
    async with WorkerPool(engine, lease=5), asyncio.timeout(60):
        run = await tells.new().insert()
        while len(seen) < 300:
            async for item in run.follow("tokens", after=position):
                position = item.number
                seen.append(item.value)
                if len(seen) % 20 == 0:
                    break
            kills += 1
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where pid <> pg_backend_pid() and datname = current_database()"
            )

    assert seen == list(range(300))
    assert kills >= 15


async def test_a_reader_far_behind_what_is_held_reads_pages(pool, telling, monkeypatch):
    monkeypatch.setattr("baton.client.stream_feed.MOST_HELD", 10)
    run = await telling.new([str(number) for number in range(3000)]).insert()
    slow = run.follow("tokens")
    assert (await anext(slow)).number == 1

    fast = await all_of(run.follow("tokens"))

    assert [item.number for item in fast] == list(range(1, 3001))
    assert [item.number for item in await all_of(slow)] == list(range(2, 3001))


async def test_following_a_stream_of_no_run_is_an_error(engine):
    with pytest.raises(WorkflowNotFound):
        await anext(Run("none").follow("tokens"))


@pytest.mark.parametrize("after", [-1, True, "7", 2**63])
async def test_a_place_that_is_no_number_is_an_error(engine, after):
    with pytest.raises(InvalidOption, match="after="):
        Run("w").follow("tokens", after=after)


@pytest.mark.parametrize("published", [("", 1), ("x" * 201, 1), ("tokens", float("nan")), ("tokens", "x" * 100_001)])
async def test_what_cannot_be_published_fails_the_attempt(pool, published):
    @worker(max_attempts=1)
    async def tells(ctx: Context) -> None:
        await ctx.publish(*published)

    assert await (await tells.new().insert()).wait(timeout=SECONDS) == "failed"


async def test_a_stream_goes_with_its_run(pool, telling, connection):
    run = await telling.new(["a"]).insert()
    await run.wait(timeout=SECONDS)
    await connection.execute("select delete_workflows(array(select key from workflows), null)")

    assert await connection.fetchval("select count(*) from streams") == 0
    assert await connection.fetchval("select count(*) from stream_chunks") == 0


async def test_a_browser_follows_a_stream_and_comes_back(pool, telling):
    run = await telling.new(["a", "b"]).insert()

    async def sent(after=None):
        async with asyncio.timeout(SECONDS), aclosing(server_sent_items(run, "tokens", after)) as events:
            return [event.decode() async for event in events if event != KEEP_ALIVE]

    whole = await sent()
    assert [event.split("\n")[:2] for event in whole] == [
        ["event: item", "id: 1"],
        ["event: item", "id: 2"],
        ["event: end", "id: 2"],
    ]
    assert json.loads(whole[0].split("\n")[2].removeprefix("data: "))["value"] == "a"
    assert await sent("1") == whole[1:]


async def test_writes_are_announced_only_while_somebody_follows(pool, telling, notifications):
    run = await telling.new(["a"]).insert()
    await run.wait(timeout=SECONDS)
    assert not [one for one in await notifications.received() if one.startswith("stream")]


async def test_items_of_a_void_attempt_are_not_written(pool, connection):
    """It goes on for a while after its step was cancelled."""
    tried = asyncio.Event()

    @worker
    async def tells(ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await ctx.publish("tokens", "too late")
            tried.set()
            raise

    run = await tells.new().insert()
    await eventually(lambda: pool.health().running)
    await run.cancel()
    await asyncio.wait_for(tried.wait(), SECONDS)
    await eventually(lambda: not pool.health().running)

    assert await all_of(run.follow("tokens")) == []
