"""The queries: what people ask about a workflow."""

from __future__ import annotations

from uuid import uuid4

import pytest

from baton import Baton
from baton.database.messages import ClaimRequest
from baton.database.queries import Queries
from baton.database.store import Store


@pytest.fixture
def reads(connection):
    return Queries(connection, "baton")


async def register(connection, queues, workers):
    return await Store(connection, "baton").register(
        name="registered by the test",
        host="here",
        pid=1,
        limits=dict.fromkeys(queues, 1),
        workers=workers,
        lease_seconds=30,
    )


async def test_a_status_counts_the_states_of_one_workflow_only(engine, reads, quick):
    for workflow_id in ("w", "another"):
        await Baton.new(workflow_id=workflow_id).add("a", quick.new()).add("b", quick.new(), deps=["a"]).insert()

    status = await reads.status("w")

    assert (status.state, status.counts) == ("executing", {"available": 1, "suspended": 1})


async def test_an_unknown_workflow_has_no_rows(engine, reads):
    assert await reads.status("nobody") is None
    assert (
        list(await reads.steps("nobody")),
        list(await reads.names("nobody")),
        list(await reads.ended("nobody", None)),
        list(await reads.unserved("nobody")),
    ) == ([], [], [], [])


async def test_steps_and_names_come_in_the_order_added(engine, reads, quick):
    names = ["z", "a", "m"]
    flow = Baton.new(workflow_id="w")
    for name in names:
        flow.add(name, quick.new())
    await flow.insert()

    assert [step.name for step in await reads.steps("w")] == list(await reads.names("w")) == names


async def test_the_last_steps_are_those_nothing_depends_on(engine, reads, quick):
    await (
        Baton.new(workflow_id="w")
        .add("a", quick.new())
        .add("b", quick.new(), deps=["a"])
        .add("c", quick.new(), deps=["a"])
        .insert()
    )

    assert [ended.name for ended in await reads.ended("w", None)] == ["b", "c"]
    assert [ended.name for ended in await reads.ended("w", "a")] == ["a"]


@pytest.mark.parametrize(
    ("queues", "workers", "whys"),
    [
        (["default"], ["quick"], []),
        (
            ["default"],
            ["other"],
            [
                (
                    "no living worker pool that serves queue 'default' can run worker 'quick'; "
                    "start one with the module that defines it"
                )
            ],
        ),
        (
            ["other"],
            ["quick"],
            ["no living worker pool serves queue 'default': start one with `baton worker MODULE --queues default=N`"],
        ),
    ],
)
async def test_a_step_is_unserved_without_a_pool_for_its_queue_and_worker(
    engine, connection, reads, quick, queues, workers, whys
):
    """One living pool has to have both."""
    await register(connection, queues, workers)
    await Baton.new(workflow_id="w").add("a", quick.new()).add("b", quick.new(), deps=["a"]).insert()

    assert [one.why for one in await reads.unserved("w")] == whys


async def test_a_dead_pool_serves_nothing_and_what_executes_is_served(engine, connection, reads, quick):
    pool = await register(connection, ["default"], ["quick"])
    await Baton.new(workflow_id="w").add("a", quick.new()).add("b", quick.new()).insert()
    store = Store(connection, "baton")
    await store.claim(pool, ClaimRequest(uuid4(), {"default": 1}))
    await store.deregister(pool)

    assert [one.step for one in await reads.unserved("w")] == ["b"]


async def test_a_pool_whose_lease_ran_out_serves_nothing(engine, connection, reads, quick):
    """Although no pool is left that would mark it dead."""
    await register(connection, ["default"], ["quick"])
    await Baton.new(workflow_id="w").add("a", quick.new()).insert()
    assert await reads.unserved("w") == []

    await connection.execute("update pools set expires_at = now() - interval '1 second'")

    assert [one.why for one in await reads.unserved("w")] == [
        "no living worker pool serves queue 'default': start one with `baton worker MODULE --queues default=N`"
    ]


async def test_the_view_of_the_queue_names_what_waits(engine, connection, quick):
    await Baton.new(workflow_id="w", workflow_name="nightly").add("a", quick.new()).insert()

    row = await connection.fetchrow(
        "select workflow_id, workflow_name, name, worker, queue, state, pool_name from queue_view"
    )

    assert tuple(row) == ("w", "nightly", "a", "quick", "default", "available", None)


async def test_a_step_scheduled_at_no_time_can_be_read(engine, connection, reads, quick):
    """The table was changed directly, or before infinity was refused."""
    await quick.new().with_options(schedule_in=60).insert(workflow_id="w")
    await connection.execute("update queue set scheduled_at = 'infinity'")

    (step,) = await reads.steps("w")
    assert (step.state, step.scheduled_at) == ("scheduled", None)
