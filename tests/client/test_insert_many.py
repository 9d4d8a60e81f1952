"""Many workflows in one call: all of them or none, each as if it had been inserted alone."""

from __future__ import annotations

import asyncio

import pytest

from baton import Baton, InvalidWorkflow, WorkerPool, WorkflowExists, each, insert_many, result_of, worker


@pytest.fixture
def job():
    @worker
    async def single(number: int = 0) -> int:
        return number

    return single


async def test_many_workflows_and_jobs_are_inserted_at_once_and_run(engine, job):
    flows = [
        Baton.new(workflow_id=f"flow {n}").add("a", job.new(n)).add("b", job.new(result_of("a"))) for n in range(30)
    ]
    async with WorkerPool(engine):
        runs = await insert_many([*flows, job.new(7), Baton.new().add("m", job.new(each([1, 2])))])
        results = [await run.result(timeout=30) for run in runs]
    assert results == [*range(30), 7, [1, 2]]
    assert [run.id for run in runs[:2]] == ["flow 0", "flow 1"]
    assert [step.name for step in runs[0].jobs] == ["a", "b"]


async def test_what_is_inserted_together_is_what_is_inserted_alone(engine, connection, job):
    @worker
    async def numbers() -> list[int]:
        return []

    mapped = job.new(each(result_of("in")))

    def flow(name):
        inner = Baton.new().add("x", numbers.new()).add("y", job.new(), deps=["x"]).returns("x")
        return (
            Baton.new(workflow_id=name, workflow_name="n", meta={"a": 1}, debug=True, ignore_skipped=True)
            .add("in", inner)
            .add("m", mapped.with_options(concurrency=3, schedule_in=60, priority=2), deps=["in"])
            .returns("in")
        )

    await insert_many([flow("many 1"), flow("many 2")])
    await flow("alone").insert()

    async def rows(name):
        steps = await connection.fetch(
            "select s.* from steps s join workflows w on workflow_of(s.id) = w.key where w.id = $1 order by s.id", name
        )
        (found,) = await connection.fetch("select * from workflows where id = $1", name)
        workflow = {k: v for k, v in found.items() if k not in ("key", "id", "inserted_at")}
        return workflow, [{k: v for k, v in step.items() if k != "id"} for step in steps]

    assert await rows("many 1") == await rows("many 2") == await rows("alone")
    entries = await connection.fetch("select workflow_of(step_id), position - scheduled_at from queue order by 1")
    assert [entry[1].total_seconds() for entry in entries] == [0.0] * 3


async def test_many_with_one_id_taken_by_another_graph_insert_nothing(engine, connection, job):
    await Baton.new(workflow_id="taken").add("a", job.new(1)).insert()
    flows = [Baton.new(workflow_id=f"{n}").add("a", job.new(n)) for n in range(5)]
    with pytest.raises(WorkflowExists, match="taken"):
        await insert_many([*flows, Baton.new(workflow_id="taken").add("a", job.new(2))])
    assert await connection.fetchval("select count(*) from workflows") == 1
    assert await connection.fetchval("select count(*) from steps") == 1


async def test_many_may_be_inserted_again_and_hold_one_twice(engine, connection, job):
    flows = [Baton.new(workflow_id=f"{n}").add("a", job.new(n)) for n in range(5)]
    await insert_many(flows[:3])
    runs = await insert_many([*flows, flows[0]])
    assert [run.id for run in runs] == ["0", "1", "2", "3", "4", "0"]
    assert await connection.fetchval("select count(*) from workflows") == 5
    assert await connection.fetchval("select count(*) from queue") == 5
    with pytest.raises(WorkflowExists):
        await insert_many([flows[0], Baton.new(workflow_id="0").add("b", job.new(0))])


async def test_of_many_it_is_known_which_were_there(engine, job):
    """Of one that comes twice in a call, the first is new."""
    await Baton.new(workflow_id="old").add("a", job.new(1)).insert()
    flows = [Baton.new(workflow_id=name).add("a", job.new(1)) for name in ("old", "new", "new")]

    assert [run.is_new for run in await insert_many([*flows, job.new(1)])] == [False, True, False, True]


async def test_many_join_the_callers_transaction_and_a_taken_id_leaves_it_usable(engine, connection, job):
    await Baton.new(workflow_id="taken").add("a", job.new(1)).insert()
    async with connection.transaction():
        with pytest.raises(WorkflowExists):
            await insert_many(
                [Baton.new(workflow_id="x").add("a", job.new(1)), Baton.new(workflow_id="taken").add("b", job.new(1))],
                using=connection,
            )
        await insert_many([Baton.new(workflow_id="y").add("a", job.new(1))], using=connection)
    assert {row["id"] for row in await connection.fetch("select id from workflows")} == {"taken", "y"}


async def test_two_who_insert_the_same_ones_in_another_order_both_get_through(engine, connection, job):
    flows = [Baton.new(workflow_id=f"{n:03}").add("a", job.new(n)) for n in range(300)]
    for _ in range(5):
        await asyncio.gather(insert_many(flows), insert_many(flows[::-1]))
        assert await connection.fetchval("select count(*) from steps") == 300
        await connection.execute("truncate workflows, steps, queue")


async def test_two_who_insert_the_same_ones_in_several_calls_cannot_deadlock(engine, connection, job, monkeypatch):
    monkeypatch.setattr("baton.client.caller_transactions.STEPS_PER_PART", 7)
    flows = [Baton.new(workflow_id=f"{n:03}").add("a", job.new(n)) for n in range(100)]
    before = await connection.fetchval("select deadlocks from pg_stat_database where datname = current_database()")
    for _ in range(5):
        runs, _ = await asyncio.gather(insert_many(flows), insert_many(flows[::-1]))
        assert [run.id for run in runs] == [f"{n:03}" for n in range(100)]
        assert await connection.fetchval("select count(*) from steps") == 100
        await connection.execute("truncate workflows, steps, queue")
    await connection.execute("select pg_stat_force_next_flush()")
    after = await connection.fetchval("select deadlocks from pg_stat_database where datname = current_database()")
    assert after == before


async def test_one_with_faults_takes_those_back_that_were_written_before(engine, connection, job, monkeypatch):
    monkeypatch.setattr("baton.client.caller_transactions.STEPS_PER_PART", 2)
    flows = [Baton.new(workflow_id=f"{n}").add("a", job.new(n)) for n in range(9)]
    flows[7].add("b", job.new(1), deps=["nobody"])
    with pytest.raises(InvalidWorkflow, match="nobody"):
        await insert_many(flows)
    async with connection.transaction():
        with pytest.raises(InvalidWorkflow, match="nobody"):
            await insert_many(flows, using=connection)
        await insert_many(flows[:1], using=connection)
    assert [row["id"] for row in await connection.fetch("select id from workflows")] == ["0"]


async def test_the_event_loop_lives_while_many_are_made(engine, job):
    jobs = [job.new(n) for n in range(3_000)]
    turns = 0

    async def live():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    living = asyncio.ensure_future(live())
    await insert_many(jobs)
    living.cancel()
    assert turns >= 3_000 / 100


async def test_none_at_all_are_no_call(engine):
    assert await insert_many([]) == []


async def test_many_go_in_several_calls_of_one_transaction(engine, connection, job, monkeypatch):
    monkeypatch.setattr("baton.database.store.STEPS_PER_CALL", 10)
    monkeypatch.setattr("baton.client.caller_transactions.STEPS_PER_PART", 10)
    large = Baton.new()
    for n in range(25):
        large.add(f"{n}", job.new(n))
    small = [Baton.new().add("a", job.new(1)).add("b", job.new(2)) for _ in range(12)]
    await insert_many([*small[:6], large, *small[6:]])
    assert await connection.fetchval("select count(*) from queue") == 49
    assert await connection.fetchval("select count(distinct xmin::text) from steps") == 1
