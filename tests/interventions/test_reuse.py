"""`insert(reusing=run)`: what completed in an earlier run and is the same does not run again."""

from __future__ import annotations

import psycopg
import pytest

from baton import Baton, Engine, Run, Signal, WorkerPool, WorkflowNotFound, each, result_of, worker
from baton.database.grants import grant

SECONDS = 30


async def ended(flow) -> Run:
    run = await flow.insert()
    await run.wait(timeout=SECONDS)
    return run


def diamond(program, left=2, **options) -> Baton:
    flow = Baton.new(**options).add("a", program.act.new(1))
    flow.add("b", program.act.new(left), deps=["a"]).add("c", program.act.new(3), deps=["a"])
    return flow.add("d", program.act.new([result_of("b"), result_of("c")]))


async def test_after_one_step_has_changed_it_and_what_follows_runs(pool, program):
    first = await ended(diamond(program))

    run = await diamond(program, left=20).insert(reusing=first)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("d") == [20, 3]
    assert program.runs == {"a": 1, "b": 2, "c": 1, "d": 2}
    assert [step.reason for step in await run.steps()] == [
        *(f"reused from workflow {first.id}", None),
        *(f"reused from workflow {first.id}", None),
    ]
    (noted,) = await run.interventions()
    assert (noted.action, noted.changed, noted.options) == ("reuse", 2, {"run": first.id})


async def test_another_worker_is_another_step(pool, program):
    first = await ended(diamond(program))

    @worker
    async def other(value: int) -> int:
        return -value

    flow = Baton.new().add("a", program.act.new(1)).add("b", other.new(2), deps=["a"])
    run = await flow.add("c", program.act.new(3), deps=["a"]).insert(reusing=first.id)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("b") == -2
    assert program.runs["a"] == program.runs["c"] == 1


async def test_what_failed_or_was_skipped_there_runs(pool, program):
    program.failing = {"b"}
    first = await ended(diamond(program))
    program.failing = set()

    run = await diamond(program).insert(reusing=first)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs == {"a": 1, "b": 2, "c": 1, "d": 1}


async def test_a_run_that_is_all_the_same_is_completed_at_once(pool, program):
    first = await ended(diamond(program))
    run = await diamond(program).insert(reusing=first)
    assert (await run.status()).state == "completed"
    assert await run.result() == [2, 3]


async def test_other_dependencies_make_another_step(pool, program):
    flow = Baton.new().add("a", program.act.new(1)).add("b", program.act.new(2))
    first = await ended(flow)

    run = await Baton.new().add("a", program.act.new(1)).add("b", program.act.new(2), deps=["a"]).insert(reusing=first)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs == {"a": 1, "b": 2}


async def test_a_map_and_a_returned_graph_are_reused_with_their_results(pool, program):
    @worker
    async def plan() -> Baton:
        return Baton.new().add("x", program.act.new("planned"))

    def flow(last):
        flow = Baton.new().add("map", program.act.new(each([1, 2, 3]))).add("plan", plan.new())
        return flow.add("end", program.act.new([result_of("map"), result_of("plan"), last]))

    first = await ended(flow(1))
    run = await flow(2).insert(reusing=first)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("end") == [[1, 2, 3], "planned", 2]
    assert program.runs == {"map[0]": 1, "map[1]": 1, "map[2]": 1, "plan/x": 1, "end": 2}


async def test_a_reused_map_can_be_retried(pool, program):
    def flow():
        return Baton.new().add("map", program.act.new(each([1, 2])))

    run = await flow().insert(reusing=await ended(flow()))

    await run.retry("map")

    assert await run.result("map", timeout=SECONDS) == [1, 2]
    assert program.runs == {"map[0]": 2, "map[1]": 2}


@pytest.mark.parametrize("changed", [False, True])
async def test_a_sub_workflow_is_reused_as_a_whole_or_not_at_all(pool, program, changed):
    """What is skipped in it stays skipped, and its closing steps do not run again."""

    def flow(value):
        inner = Baton.new().add("x", program.act.new(1)).add("y", program.act.new(value))
        inner.add("never", program.act.new(0), when=result_of("x") == 2)
        inner.add("close", program.act.new(4), runs="always")
        return Baton.new().add("g", inner).add("after", program.act.new(result_of("g")))

    first = await ended(flow(2))
    run = await flow(3 if changed else 2).insert(reusing=first)

    assert await run.wait(timeout=SECONDS) == "completed"
    ran = 2 if changed else 1
    assert program.runs == {"g/x": ran, "g/y": ran, "g/close": ran, "after": ran}
    assert (await program.states(run))["g/never"] == "skipped"


async def test_closing_steps_run_in_each_run(pool, program):
    def flow(value):
        flow = Baton.new().add("a", program.act.new(1)).add("b", program.act.new(value), deps=["a"])
        return flow.add("tell", program.act.new(3), runs="always")

    run = await flow(3).insert(reusing=await ended(flow(2)))

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs == {"a": 1, "b": 2, "tell": 2}


async def test_what_a_closing_step_took_back_is_not_reused(pool, program):
    def flow(value):
        flow = Baton.new().add("create", program.act.new("cluster"))
        flow.add("work", program.act.new(value), deps=["create"])
        return flow.add("destroy", program.act.new(result_of("create", default=None)), runs="always", deps=["work"])

    run = await flow(2).insert(reusing=await ended(flow(1)))

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs == {"create": 2, "work": 2, "destroy": 2}


async def test_what_was_undone_is_not_reused(pool, program):
    def flow(value):
        flow = Baton.new().add("a", program.act.new(1)).add("hotel", program.act.new(2), undo=program.act.new(0))
        return flow.add("flight", program.act.new(value), deps=["a", "hotel"])

    program.failing = {"flight"}
    first = await ended(flow(1))
    assert program.runs["hotel[undo]"] == 1
    program.failing = set()

    run = await flow(2).insert(reusing=first)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs == {"a": 1, "hotel": 2, "flight": 2, "hotel[undo]": 1}


async def test_an_answer_is_reused(pool, program):
    def flow(value):
        flow = Baton.new().add("ok", Signal(str))
        return flow.add("b", program.act.new([result_of("ok"), value]))

    first = await flow(1).insert()
    await first.signal("ok", "yes")
    await first.wait(timeout=SECONDS)
    run = await flow(2).insert(reusing=first)

    assert await run.result("b", timeout=SECONDS) == ["yes", 2]


async def test_enough_was_reached_there(pool, program):
    program.is_checked = False
    program.failing = {"c"}

    def flow(value):
        flow = Baton.new()
        for name in "abc":
            flow.add(name, program.act.new(name))
        flow.add("merge", program.act.new([result_of(name) for name in "abc"]), needs=2)
        return flow.add("end", program.act.new([result_of("merge"), value]))

    first = await ended(flow(1))
    program.failing = set()
    run = await flow(2).insert(reusing=first)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs["a"] == program.runs["b"] == 1


async def test_a_run_that_is_gone_is_named(engine, connection, program):
    with pytest.raises(WorkflowNotFound, match="'pruned'"):
        await diamond(program).insert(reusing="pruned")
    with pytest.raises(WorkflowNotFound):
        await diamond(program).insert(reusing=Run("\ud800"))
    async with connection.transaction():
        with pytest.raises(WorkflowNotFound):
            await diamond(program).insert(connection, reusing="pruned")
        assert await connection.fetchval("select count(*) from workflows") == 0


async def test_an_id_that_exists_is_left_as_it_is(pool, engine, program):
    first = await ended(diamond(program))
    await engine.pause("default")
    old = await diamond(program, workflow_id="w").insert()

    again = await diamond(program, workflow_id="w").insert(reusing=first)

    assert not again.is_new
    assert set((await program.states(old)).values()) == {"available", "suspended"}


async def test_it_commits_with_the_transaction_of_the_caller(pool, program, connection, database):
    first = await ended(diamond(program))
    async with connection.transaction():
        run = await diamond(program, left=5).insert(connection, reusing=first)
    async with await psycopg.AsyncConnection.connect(database) as other:
        second = await diamond(program, left=6).insert(other, reusing=first)
    assert await run.result("d", timeout=SECONDS) == [5, 3]
    assert await second.result("d", timeout=SECONDS) == [6, 3]
    assert program.runs["a"] == program.runs["c"] == 1


async def test_a_client_role_reuses_as_well(pool, program, connection, database):
    first = await ended(diamond(program))
    await connection.execute("create role reusing_client login")
    try:
        await grant(connection, "baton", {"client": ["reusing_client"]})
        async with Engine(database.replace("postgres@", "reusing_client@", 1)) as client:
            run = await diamond(program, left=5).insert(client, reusing=first)
            assert await run.result("d", timeout=SECONDS) == [5, 3]
    finally:
        await connection.execute("drop owned by reusing_client; drop role reusing_client")
    assert program.runs["a"] == 1


async def test_another_model_is_asked_again(pool, program):
    def flow(model):
        flow = Baton.new(models={"b": model}).add("a", program.act.new(1)).add("b", program.act.new(2), deps=["a"])
        return flow.add("c", program.act.new(3), deps=["a"])

    run = await flow("large").insert(reusing=await ended(flow("small")))

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs == {"a": 1, "b": 2, "c": 1}


async def test_ten_thousand_steps_are_reused_in_one_call(engine, connection, program):
    def flow(value):
        flow = Baton.new().add("s0", program.act.new(0))
        for number in range(1, 10_000):
            flow.add(f"s{number}", program.act.new(number), deps=[f"s{number // 2}"])
        return flow.add("end", program.act.new(value), deps=["s9999"])

    first = await flow(1).insert()
    await connection.execute("delete from queue")
    await connection.execute(
        "update steps set state = 'completed', pending = 0, result = args, began = true, finished_at = now()"
    )
    await connection.execute("update workflows set state = 'completed', remaining = 0, finished_at = clock_timestamp()")

    run = await flow(2).insert(reusing=first)

    assert (await run.status()).counts == {"completed": 10_000, "available": 1}


async def test_a_step_that_a_pool_could_claim_is_reused_before_it_is_seen(engine, program):
    """Nothing of the new run is visible before the commit, so nothing of it runs twice."""
    async with WorkerPool(engine, poll=0.2):
        first = await ended(diamond(program))
        for _ in range(10):
            assert await (await diamond(program).insert(reusing=first)).wait(timeout=SECONDS) == "completed"
    assert set(program.runs.values()) == {1}


async def test_a_single_job_is_reused(pool, program):
    first = await program.act.new(1).insert()
    await first.wait(timeout=SECONDS)
    again = await program.act.new(1).insert(reusing=first)
    assert (await again.status()).state == "completed"
    assert (await (await program.act.new(2).insert(reusing=first)).wait(timeout=SECONDS)) == "completed"
    assert program.runs.total() == 2
