"""Keys: at most one run of a key at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from baton import Baton, Engine, InvalidOption, KeyTaken, WorkerPool, insert_many
from baton.database.grants import grant
from tests.waiting import eventually

KEY = "user:7"


@pytest.fixture
def flow(quick):
    def flow(value=1, key=KEY, **options):
        return Baton.new(key=key, **options).add("a", quick.new(value=value)).add("b", quick.new(), deps=["a"])

    return flow


@pytest.fixture(params=["owner", "client"])
async def engine(request, database, connection):
    """The rights of the owner, and those of a role whose inserts the database checks."""
    if request.param == "owner":
        async with Engine(database) as engine:
            yield engine
        return
    await connection.execute("drop role if exists baton_keys; create role baton_keys login")
    await grant(connection, "baton", {"client": ["baton_keys"], "worker": ["baton_keys"]})
    async with Engine(database.replace("postgres@", "baton_keys@", 1)) as engine:
        yield engine
    await connection.execute("drop owned by baton_keys; drop role baton_keys")


async def states(*runs):
    return [(await run.status()).state for run in runs]


async def test_an_insert_of_a_key_that_is_held_returns_the_holder(engine, flow, stored):
    first, second = await flow().insert(), await flow(2).insert()

    assert (second.id, first.is_new, second.is_new) == (first.id, True, False)
    assert await stored() == [1, 2, 1]


async def test_another_key_holds_nothing_up(engine, flow, stored):
    await flow().insert()

    assert (await flow(key="user:8").insert()).is_new
    assert await stored() == [2, 4, 2]


async def test_a_held_key_may_be_refused(engine, flow, stored):
    first = await flow().insert()

    with pytest.raises(KeyTaken, match=f"workflow '{first.id}' holds the key 'user:7'") as refusal:
        await flow().insert(if_running="refuse")

    assert (refusal.value.key, refusal.value.workflow_id) == (KEY, first.id)
    assert await stored() == [1, 2, 1]


async def test_a_key_is_free_at_the_end_of_its_run(engine, flow):
    async with WorkerPool(engine):
        await (await flow().insert()).wait(timeout=10)
        second = await flow(2).insert(if_running="refuse")

        assert second.is_new
        assert await second.result("a", timeout=10) == 2


async def test_a_cancelled_run_frees_its_key(engine, flow):
    await (await flow().insert()).cancel()

    assert (await flow().insert(if_running="refuse")).is_new


async def test_a_key_stays_taken_after_the_end(engine, flow):
    async with WorkerPool(engine):
        first = await flow(key_for=timedelta(hours=1)).insert()
        await first.wait(timeout=10)

        returned, replacing = await flow().insert(), await flow().insert(if_running="replace")
        with pytest.raises(KeyTaken):
            await flow().insert(if_running="refuse")

    assert [run.id for run in (returned, replacing)] == [first.id, first.id]


async def test_a_key_that_stayed_taken_is_free_in_the_end(engine, flow, connection):
    first = await flow(key_for=3600).insert()
    await first.cancel()
    await connection.execute("update workflows set finished_at = finished_at - interval '61 minutes'")

    assert (await flow().insert(if_running="refuse")).is_new


async def test_a_run_replaces_the_holder_in_one_transaction(engine, flow, connection):
    first, second = await flow().insert(), await flow(2).insert(if_running="replace")

    assert second.is_new
    assert await states(first, second) == ["cancelled", "executing"]
    assert {step.reason for step in await first.steps()} == {
        f"replaced by workflow {second.id}, which has the same key"
    }
    assert await connection.fetchval("select count(*) from run_keys") == 1


async def test_a_run_that_is_replaced_cleans_up_without_the_key(engine, held, quick):
    cleaning = Baton.new(key=KEY).add("a", held.worker.new()).add("z", quick.new(), runs="always")
    async with WorkerPool(engine):
        first = await cleaning.insert()
        await held.has_begun()
        second = await Baton.new(key=KEY).add("a", quick.new(value=3)).insert(if_running="replace")

        assert await second.result("a", timeout=10) == 3
        assert await first.wait(timeout=10) == "cancelled"
        assert (await first.steps())[1].state == "completed"


async def test_a_run_that_has_not_begun_is_replaced(engine, flow):
    first, second = await flow().insert(), await flow(2).insert(if_running="replace unless begun")

    assert second.is_new
    assert await states(first) == ["cancelled"]


async def test_a_run_that_has_begun_is_returned(engine, held, flow):
    async with WorkerPool(engine):
        first = await held.worker.new().insert(key=KEY)
        await held.has_begun()
        second = await flow().insert(if_running="replace unless begun")
        held.may_end.set()

        assert (second.id, second.is_new) == (first.id, False)
        assert await first.wait(timeout=10) == "completed"


async def test_a_debounced_job_runs_once_with_the_last_argument(engine, quick):
    last = {"key": KEY, "if_running": "replace unless begun"}
    runs = [await quick.new(value=n).with_options(schedule_in=1).insert(**last) for n in range(5)]
    async with WorkerPool(engine):
        assert await runs[-1].result("quick", timeout=20) == 4
    assert await states(*runs) == [*["cancelled"] * 4, "completed"]


async def test_the_same_workflow_again_is_not_refused(engine, flow):
    flow = flow()
    first = await flow.insert()

    again = await flow.insert(if_running="refuse")
    replacing = await flow.insert(if_running="replace")

    assert [(run.id, run.is_new) for run in (again, replacing)] == [(first.id, False)] * 2
    assert await states(first) == ["executing"]


async def test_a_retry_of_a_run_whose_key_is_taken_is_refused(engine, flow):
    first = await flow().insert()
    await first.cancel()
    second = await flow().insert()

    with pytest.raises(KeyTaken) as refusal:
        await first.retry()
    assert (refusal.value.key, refusal.value.workflow_id) == (KEY, second.id)
    assert await states(first) == ["cancelled"]

    await second.cancel()
    assert await first.retry() == 2
    assert (await flow().insert()).id == first.id


async def test_a_run_that_was_replaced_cannot_be_retried_meanwhile(engine, flow):
    first = await flow().insert()
    await flow().insert(if_running="replace")

    with pytest.raises(KeyTaken):
        await first.retry("a")


async def test_many_with_keys_are_inserted_at_once(engine, flow, stored):
    first = await flow(key="c").insert()

    runs = await insert_many([flow(key=key) for key in "dcbad"] + [flow(key=None)])

    assert [run.is_new for run in runs] == [True, False, True, True, False, True]
    assert (runs[1].id, runs[4].id) == (first.id, runs[0].id)
    assert await stored() == [5, 10, 5]


async def test_many_are_refused_as_a_whole(engine, flow, stored):
    await flow(key="c").insert()

    with pytest.raises(KeyTaken):
        await insert_many([flow(key=key) for key in "abcd"] + [flow(key=None)], if_running="refuse")
    assert await stored() == [1, 2, 1]


async def test_of_many_with_one_key_the_last_replaces_the_others(engine, flow):
    earlier = await flow().insert()
    runs = await insert_many([flow(n) for n in range(3)], if_running="replace")

    assert await states(earlier, *runs) == ["cancelled"] * 3 + ["executing"]


async def test_the_end_of_a_run_writes_nothing_of_its_key(engine, flow, connection):
    await flow().insert()
    before = await connection.fetchval("select xmin::text || ctid::text from run_keys")
    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval("select state = 'completed' from workflows"))

    assert await connection.fetchval("select xmin::text || ctid::text from run_keys") == before


async def test_a_pruned_run_leaves_no_key(engine, flow, connection):
    first = await flow().insert()
    await first.cancel()
    await flow(key="other").insert()

    await engine.store.prune(timedelta(0), limit=10)

    assert await connection.fetch("select key from run_keys") == [("other",)]
    assert (await flow().insert()).is_new


async def test_a_run_is_kept_while_its_key_stays_taken(engine, flow, connection):
    first = await flow(key_for=3600).insert()
    await first.cancel()

    assert (await engine.store.prune(timedelta(0), limit=10)).workflows == 0
    await connection.execute("update workflows set finished_at = finished_at - interval '61 minutes'")
    assert (await engine.store.prune(timedelta(0), limit=10)).workflows == 1


async def test_pruning_an_older_run_leaves_the_key_to_the_newer(engine, flow, connection):
    first = await flow().insert()
    await first.cancel()
    second = await flow().insert()
    await engine.store.prune(timedelta(0), limit=10)

    assert (await flow().insert()).id == second.id


async def test_a_rollback_frees_the_key(engine, flow, connection):
    async def begun():
        return await connection.fetchval("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")

    async with asyncpg.create_pool(engine.address, min_size=1, max_size=1) as pool, pool.acquire() as caller:
        transaction = caller.transaction()
        await transaction.start()
        first = await flow().insert(caller)
        waiting = asyncio.create_task(flow(2).insert())
        await eventually(begun)
        await transaction.rollback()
        second = await waiting

    assert first.is_new
    assert second.is_new
    assert second.id != first.id


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"key_for": 5}, "give a key as well"),
        ({"key": "a", "key_for": 0}, "more than 0 seconds"),
        ({"tags": ["a"]}, "it must be a mapping"),
        ({"tags": {"team": 7}}, "must be a string"),
    ],
)
async def test_a_key_or_tag_that_cannot_be_is_refused(options, why):
    with pytest.raises(InvalidOption, match=why):
        Baton.new(**options)


async def test_a_policy_without_a_key_is_refused(engine, quick):
    with pytest.raises(InvalidOption, match="the workflow has no key"):
        await quick.new().insert(if_running="refuse")
    with pytest.raises(InvalidOption, match="must be one of 'return'"):
        await quick.new().insert(key="a", if_running="skip")


async def test_a_step_has_no_key(quick):
    inner = Baton.new(key="a").add("x", quick.new())
    with pytest.raises(InvalidOption, match="only a run has it"):
        Baton.new().add("g", inner)


async def test_what_would_open_a_run_whose_key_is_taken_is_refused(engine, flow):
    """Whether a step is completed or skipped, or the call is only tried."""
    first = await flow().insert()
    await first.cancel()
    await flow().insert()

    for change, options in ((first.retry, {}), (first.complete, {"step": "a"})):
        with pytest.raises(KeyTaken):
            await change(**options, dry_run=True)
    with pytest.raises(KeyTaken):
        await first.complete("a", 1)
    with pytest.raises(KeyTaken):
        await first.complete("b", 1)
    assert await states(first) == ["cancelled"]


async def test_a_step_of_the_holder_may_be_completed(engine, flow):
    run = await flow().insert()

    await run.complete("a", 7)
    assert (await flow().insert()).id == run.id


async def test_a_slot_of_a_schedule_is_skipped_while_the_key_is_held(engine, flow, connection):
    holder = await flow().insert()
    await engine.schedule("often", flow(), every=60)
    await connection.execute("update schedules set next_at = now(), due_at = now()")
    async with WorkerPool(engine, queues={"another": 1}):
        await eventually(lambda: connection.fetchval("select skipped from schedules"))

    assert await connection.fetch("select fired, failures, error from schedules") == [(0, 0, None)]
    assert await connection.fetchval("select id from workflows") == holder.id


async def test_a_document_with_a_held_key_is_answered_as_it_asks(engine, flow, connection):
    holder = await flow().insert()
    insert = "select id, is_new from insert_workflow_json($1)"

    assert await connection.fetchrow(insert, flow().to_json()) == (holder.id, False)
    with pytest.raises(asyncpg.UniqueViolationError, match=f"key 'user:7' is held by workflow '{holder.id}'"):
        await connection.fetchrow(insert, flow().to_json(if_running="refuse"))
    replacing = flow()
    assert await connection.fetchrow(insert, replacing.to_json(if_running="replace")) == (replacing.id, True)
    assert await states(holder) == ["cancelled"]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ('{"key": ""}', "has a key that is empty"),
        ('{"key": 7}', "has a key that is not a string"),
        ('{"key": "a", "if_running": "wait"}', "if_running is none of return"),
        ('{"key": "a", "seconds": -1}', "a time that is not 0 seconds or more"),
        ('{"key": "a", "or": 1}', "a key has no field 'or'"),
        ('"a"', "a key that is not a JSON object"),
    ],
)
async def test_a_document_with_a_key_that_cannot_be_is_refused(quick, connection, key, why):
    document = quick.new().to_json(key="a").replace('{"key":"a"}', key)

    with pytest.raises(asyncpg.InvalidParameterValueError, match=why):
        await connection.fetchrow("select id from insert_workflow_json($1)", document)


async def test_a_run_that_ends_is_not_replaced(engine, flow, connect):
    """Until its end is committed the insert waits for it, and then it cancels nothing."""
    run = await flow().insert()
    settling, watching = await connect(), await connect()
    await settling.execute(
        "begin; update baton.workflows set state = 'completed', remaining = 0, finished_at = clock_timestamp()"
    )
    replacing = asyncio.create_task(flow(2).insert(if_running="replace"))
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    await eventually(lambda: watching.fetchval(waits))
    await settling.execute("commit")

    assert (await replacing).is_new
    assert await states(run) == ["completed"]


async def test_a_replacement_that_rolls_back_cancels_nothing(engine, flow):
    first = await flow().insert()
    caller = await asyncpg.connect(engine.address)
    transaction = caller.transaction()
    await transaction.start()
    second = await flow(2).insert(caller, if_running="replace")
    await transaction.rollback()
    await caller.close()

    assert second.is_new
    assert await states(first) == ["executing"]
    assert (await flow().insert()).id == first.id


async def test_a_key_works_in_a_schema_of_any_name(empty_database, quick):
    async with Engine(empty_database, schema="else where"), WorkerPool():
        first = await quick.new().with_options(schedule_in=60).insert(key=KEY, tags={"a": "b"})
        second = await quick.new(value=2).insert(key=KEY, if_running="replace")

        assert await second.result(timeout=10) == 2
        assert await states(first) == ["cancelled"]
