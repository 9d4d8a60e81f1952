"""A single plain job is inserted by a function of its own, which writes what the general one writes."""

from __future__ import annotations

import json

import pytest

from baton import Context, worker
from baton.database.columns import job_columns
from baton.database.store import Store


@worker(name="plain job", queue="mail", priority=3, max_attempts=7, timeout=30)
async def plain(ctx: Context, text: str) -> str:
    return text


async def rows_of(connection, workflow_id):
    """What is stored of a workflow, without what differs from one to the next."""
    rows = [
        await connection.fetchval(
            f"select to_jsonb(t) - $2::text[] from {table} where {condition}", workflow_id, without
        )
        for table, condition, without in (
            ("workflows t", "t.id = $1", ["key", "id", "inserted_at"]),
            ("steps t join workflows w on w.key = workflow_of(t.id)", "w.id = $1", ["id"]),
            (
                "queue t join workflows w on w.key = workflow_of(t.step_id)",
                "w.id = $1",
                ["step_id", "scheduled_at", "position"],
            ),
        )
    ]
    return [json.loads(row) for row in rows]


@pytest.fixture
async def store(engine):
    return Store(engine.connections, engine.schema)


@pytest.mark.parametrize("limited", [False, True], ids=["no limits", "limits for lanes"])
async def test_it_writes_what_the_general_function_writes(engine, store, connection, monkeypatch, limited):
    if limited:
        await engine.limit("mail", lane_running=2)
    assert job_columns(plain.new(text="a").spec("short")) is not None
    await store.insert_workflow(plain.new(text="a").spec("short"))
    monkeypatch.setattr("baton.database.store.job_columns", lambda _spec: None)
    await store.insert_workflow(plain.new(text="a").spec("general"))

    assert await rows_of(connection, "short") == await rows_of(connection, "general")


async def test_a_taken_id_is_left_as_it_is(store, connection):
    first = await store.insert_workflow(plain.new(text="a").spec("w"))
    before = await rows_of(connection, "w")

    again = await store.insert_workflow(plain.new(text="b").spec("w"))

    assert (first.is_new, again.is_new, again.key, again.fingerprint) == (True, False, first.key, first.fingerprint)
    assert await rows_of(connection, "w") == before


@pytest.mark.parametrize(
    "option",
    [
        {"lane": "a"},
        {"units": 3},
        {"deadline": 60},
        {"start_within": 60},
        {"schedule_in": 60},
        {"backoff": 5},
    ],
    ids=str,
)
def test_a_job_with_more_options_goes_the_general_way(option):
    assert job_columns(plain.new(text="a").with_options(**option).spec()) is None


async def test_its_pool_is_notified(store, notifications):
    await store.insert_workflow(plain.new(text="a").spec())

    assert await notifications.received() == ["queue 1 mail"]
