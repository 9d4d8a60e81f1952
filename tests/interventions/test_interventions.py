"""What is noted of calls that change something by decision, and what a dry run says of them."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import asyncpg
import pytest

from baton import Baton, Engine, InvalidName, Receive, Run, Signal, StepNotFound, WorkerPool, WorkflowNotFound, each
from baton.database.grants import grant
from tests.waiting import eventually

SECONDS = 30


async def test_interventions_say_who_did_what_when_and_why(pool, program):
    program.failing = {"b"}
    run = await Baton.new().add("a", program.act.new(1)).add("b", program.act.new(2), deps=["a"]).insert()
    await run.wait(timeout=SECONDS)

    await run.retry("b", actor="alice", reason="the service is back")
    await run.wait(timeout=SECONDS)
    await run.complete("b", 5, actor="bob", reason="done by phone")
    await run.retry("a", "b", downstream=True)
    await run.wait(timeout=SECONDS)
    await run.cancel(reason="nothing is left to cancel")

    noted = await run.interventions()
    assert [(one.action, one.actor, one.reason, list(one.steps), one.changed) for one in noted] == [
        ("retry", "alice", "the service is back", ["b"], 1),
        ("complete", "bob", "done by phone", ["b"], 1),
        ("retry", None, None, ["a", "b"], 2),
    ]
    assert {one.role for one in noted} == {"postgres"}
    assert [one.options for one in noted] == [{}, {}, {"downstream": True}]
    assert noted == sorted(noted, key=lambda one: one.at)
    assert str(noted[0]).endswith("alice (postgres): retry 'b', 1 step changed: the service is back")


async def test_a_call_that_is_sent_again_is_noted_once(engine, program):
    run = await Baton.new().add("a", program.act.new(1)).insert()
    call = f"select * from baton.complete($1, 'a', '1', p_request => '{uuid4()}')"
    first = await engine.connections.fetch(call, run.id)
    assert [dict(row) for row in await engine.connections.fetch(call, run.id)] == [dict(row) for row in first]
    assert len(await run.interventions()) == 1


async def test_the_role_that_called_is_noted_and_not_the_owner(
    engine, database, connection: asyncpg.Connection, program
):
    """Also behind a pooler, where many share a login and each call does `set role`."""
    await connection.execute("create role repairing login; create role pooled; grant pooled to repairing")
    try:
        await grant(connection, "baton", {"operator": ["repairing", "pooled"], "client": ["repairing"]})
        run = await Baton.new().add("a", program.act.new(1)).add("b", program.act.new(1)).insert()
        async with Engine(database.replace("postgres@", "repairing@", 1)) as client:
            await Run(run.id, client).complete("a", 1)
            async with client.connections.acquire() as session:
                await session.execute("set role pooled")
                await session.fetch("select * from baton.skip($1, 'b')", run.id)
                await session.execute("reset role")
        assert [one.role for one in await run.interventions()] == ["repairing", "pooled"]
    finally:
        await connection.execute("drop owned by repairing, pooled; drop role repairing; drop role pooled")


async def test_interventions_are_pruned_with_their_workflow(engine, connection, program):
    run = await Baton.new().add("a", program.act.new(1)).insert()
    await run.complete("a", 1)
    await connection.execute(
        "update workflows set finished_at = now() - interval '1 day', inserted_at = now() - interval '1 day'"
    )
    await connection.fetch("select * from prune(60, 100)")
    assert await connection.fetchval("select count(*) from interventions") == 0
    with pytest.raises(WorkflowNotFound):
        await run.interventions()


async def test_an_actor_is_a_text_that_can_be_shown(engine, program):
    run = await Baton.new().add("a", program.act.new(1)).insert()
    with pytest.raises(InvalidName, match="actor"):
        await run.retry(actor="")
    with pytest.raises(InvalidName, match="actor"):
        await run.skip("a", actor="\x1b[31m")


async def test_a_dry_run_of_a_diamond_says_what_a_retry_would_change(pool, program):
    program.failing = {"b"}
    flow = Baton.new(workflow_id="diamond").add("a", program.act.new(1))
    flow.add("b", program.act.new(2), deps=["a"]).add("c", program.act.new(3), deps=["a"])
    run = await flow.add("d", program.act.new(4), deps=["b", "c"]).insert()
    await run.wait(timeout=SECONDS)
    before = await run.steps()

    tried = await run.retry(dry_run=True)

    assert str(tried) == (
        "workflow 'diamond' goes from failed to executing:\n"
        "  available  'b' (now discarded)\n"
        "  suspended  'd' (now cancelled)"
    )
    assert tried.count == 2
    assert tried.by_state() == {"available": ["b"], "suspended": ["d"]}
    assert await run.steps() == before
    assert (await run.status()).state == "failed"
    assert await run.interventions() == []
    assert await run.retry() == tried.count


async def test_a_dry_run_wakes_no_pool_and_leaves_no_lock(engine, notifications, connect, program):
    run = await Baton.new().add("a", program.act.new(1)).insert()
    await notifications.received()
    async with engine.connections.acquire() as session, session.transaction():
        await session.fetch("select * from baton.dry_run($1, 'cancel', null, null, null)", run.id)
        other = await connect(lock_timeout="100ms")
        await other.fetch("select from baton.workflows for update")
        await other.fetch("select from baton.queue for update")
    assert await notifications.received() == []


@pytest.mark.parametrize("action", ["retry", "cancel", "complete", "skip", "start_now"])
async def test_a_dry_run_raises_what_the_call_would_raise(engine, program, action):
    run = await Baton.new().add("a", program.act.new(1)).insert()
    with pytest.raises(StepNotFound, match="has no step 'b'"):
        await getattr(run, action)("b", dry_run=True)
    with pytest.raises(WorkflowNotFound):
        await getattr(Run("gone"), action)("b", dry_run=True)


async def test_a_dry_run_of_a_cancel_counts_large_maps(pool, held, program):
    run = await Baton.new(workflow_id="large").add("map", held.worker.new(each(list(range(30))))).insert()
    await held.has_begun(20)

    tried = await run.cancel(dry_run=True)

    assert str(tried) == (
        "workflow 'large' goes from executing to cancelled:\n"
        "  cancelled  'map', 'map[0]', 'map[1]', 'map[2]', 'map[3]', 'map[4]', 'map[5]', 'map[6]' and 23 more "
        "(now 1 suspended, 20 executing, 10 available)"
    )
    assert not held.cancelled.is_set()
    held.may_end.set()
    assert await run.wait(timeout=SECONDS) == "completed"


async def test_a_dry_run_that_would_change_nothing_says_so(pool, program):
    run = await Baton.new(workflow_id="done").add("a", program.act.new(1)).insert()
    await run.wait(timeout=SECONDS)
    assert str(await run.retry(dry_run=True)) == "workflow 'done' stays completed; no step changes its state"


async def test_pauses_and_schedules_are_noted_if_they_changed_something(engine, program):
    for _ in range(2):
        await engine.pause("web", actor="alice")
        await engine.schedule("nightly", program.act.new(1), cron="0 3 * * *", actor="bob")
        await engine.pause_schedule("nightly", actor="carol")
    await engine.schedule("nightly", program.act.new(1), cron="0 4 * * *")
    await engine.resume_schedule("nightly")
    await engine.unschedule("nightly")
    await engine.resume("web")
    noted = await engine.interventions()
    assert [(one.action, one.subject, one.actor) for one in reversed(noted)] == [
        ("pause", "web", "alice"),
        ("create schedule", "nightly", "bob"),
        ("pause schedule", "nightly", "carol"),
        ("change schedule", "nightly", None),
        ("resume schedule", "nightly", None),
        ("delete schedule", "nightly", None),
        ("resume", "web", None),
    ]
    assert [one.action for one in await engine.interventions(limit=2)] == ["resume", "delete schedule"]


async def test_a_signal_of_a_person_is_noted_and_that_of_a_program_not(engine, connection, program):
    flow = Baton.new().add("ok", Signal(bool)).add("good", Signal(bool)).add("talk", Receive("chat", str))
    run = await flow.insert()
    assert await run.signal("ok", True, actor="alice", key="k")
    assert await run.signal("ok", True, actor="alice", key="k")
    assert await run.signal("good", True)
    await run.send("chat", "hello", actor="bob", key="k")
    await run.send("chat", "hello", actor="bob", key="k")
    await run.send("chat", "hello")
    async with connection.transaction():
        await connection.execute("select baton.send($1, 'chat', '1', p_actor => 'carol')", run.id)
    assert [(one.action, one.actor, list(one.steps), one.options) for one in await run.interventions()] == [
        ("signal", "alice", ["ok"], {}),
        ("send", "bob", [], {"topic": "chat"}),
        ("send", "carol", [], {"topic": "chat"}),
    ]


async def test_interventions_in_queues_are_pruned_after_a_while(engine, connection, program):
    await engine.pause("old")
    await connection.execute("update interventions set at = now() - interval '1 day'")
    await engine.pause("new")
    await connection.fetch("select * from prune(3600, 100)")
    assert [one.subject for one in await engine.interventions()] == ["new"]


async def test_a_run_that_a_schedule_replaces_names_the_schedule(engine, connection, program):
    await engine.schedule("often", program.act.new(1), every=3600, overlap="replace")
    async with WorkerPool(engine, queues={"other": 1}, poll=0.2):
        runs = []
        for count in (1, 2):
            await connection.execute("update schedules set next_at = now(), due_at = now(), version = version + 1")
            runs = await eventually(partial(_runs, engine, count))
    (noted,) = await Run(runs[-1], engine).interventions()
    assert (noted.action, noted.actor) == ("cancel", "schedule often")


async def _runs(engine, count):
    found = [run.id for run in (await engine.runs()).runs]
    return found if len(found) == count else None
