"""The functions of a client with arguments that no library sends: each is answered, or refused in a sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from baton import Baton, Run, Signal, WorkerPool, result_of, worker
from baton.database.grants import grant
from tests.waiting import eventually


@worker(name="called")
async def part(value: object = None) -> object:
    return value


@pytest.fixture
async def client(database: str, connection: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A connection of a role that was granted `client` and nothing else."""
    await connection.execute("drop role if exists baton_caller; create role baton_caller login")
    await grant(connection, "baton", {"client": ["baton_caller"]})
    client = await asyncpg.connect(database, user="baton_caller", server_settings={"search_path": "baton"})
    yield client
    await client.close()
    await connection.execute("drop owned by baton_caller; drop role baton_caller")


NOT_HELD = {"key_holder": None, "run_key": None}
ANSWERED: dict[str, dict[str, Any]] = {
    "cancel(null, null, null)": {"cancelled": None, "unknown": None},
    "cancel('w', '{}', null)": {"cancelled": 0, "unknown": []},
    "cancel('w', array[null]::text[], null)": {"cancelled": 0, "unknown": [None]},
    "cancel('w', array[['x'], ['y']], null)": {"cancelled": 0, "unknown": ["x", "y"]},
    "retry(null, null)": {"opened": None, "unknown": None, "refused": None} | NOT_HELD,
    "retry('w', array[null]::text[])": {"opened": 0, "unknown": [None], "refused": None} | NOT_HELD,
    "retry('w', '{}')": {"opened": 0, "unknown": [], "refused": None} | NOT_HELD,
    "watch(null, null)": {"key": None, "step_id": None, "state": None},
    "watch('w', repeat('x', 1000000))": {"key": 1, "step_id": None, "state": None},
}
REFUSED = {
    "signal(null, 'approval', '1')": "there is no workflow",
    "signal('w', null, '1')": "that waits for a signal",
    "signal('w', 'approval', null)": "a signal has a value, as JSON text",
    "signal('w', 'approval', '')": "invalid input syntax for type json",
    "signal('w', 'approval', 'nan')": "invalid input syntax for type json",
    "signal('w', 'approval', '1', repeat('k', 201))": "the key of a signal has more than 200 characters",
    "signal('w', 'approval', to_json(repeat('x', 9000000))::text)": "a signal has at most 8 MiB",
    "put_schedule('s', '{}', null, 0, 'UTC', 'skip', 0, 0, now(), now())": "every must be at least a second",
    "put_schedule('s', '{}', null, 'NaN', 'UTC', 'skip', 0, 0, now(), now())": "every must be at least a second",
    "put_schedule('s', '{}', null, 9, 'UTC', 'skip', 'NaN', 0, now(), now())": "catch_up must be 0 or more seconds",
    "put_schedule('s', '{}', null, 9, 'UTC', 'skip', 0, -1, now(), now())": "jitter must be 0 or more seconds",
    "put_schedule('s', '{}', null, 9, 'UTC', 'skip', 0, 0, 'infinity', now())": "its next time is not between",
    "put_schedule('s', '{}', 'daily', null, 'UTC', 'skip', 0, 0, now(), now())": "cron has five or six fields",
    "put_schedule(E'\\n', '{}', null, 9, 'UTC', 'skip', 0, 0, now(), now())": "the name of the schedule is empty",
    "insert_workflow_json(null)": "this is not a workflow",
    "insert_workflow_json('')": "invalid input syntax for type json",
    "insert_workflow_json('[]')": "this is not a workflow",
    "insert_workflow_json('1')": "this is not a workflow",
    "insert_workflow_json(repeat('[', 100000))": "stack depth limit exceeded",
}


@pytest.fixture
async def run(engine: Any) -> Run:
    flow = Baton.new(workflow_id="w").add("approval", Signal())
    return await flow.add("after", part.new(result_of("approval"))).insert()


@pytest.mark.parametrize("call", ANSWERED)
async def test_an_odd_call_is_answered(client, run, call):
    row = await client.fetchrow(f"select * from {call}")

    assert dict(row) == ANSWERED[call]


@pytest.mark.parametrize("call", REFUSED)
async def test_a_call_that_cannot_be_is_refused(client, engine, run, call):
    """The workflow goes on as if nothing had been called."""
    with pytest.raises(asyncpg.PostgresError, match=REFUSED[call]):
        await client.execute(f"select {call}")

    async with WorkerPool(engine):
        assert await run.signal("approval", 7)
        assert await run.result("after", timeout=20) == 7


async def test_a_schedule_that_cannot_be_calculated_with_stops_no_other(client, engine, connection):
    """There is no 31st of February, and no such time zone."""
    put = "select put_schedule($1, $2, $3, $4, $5, 'skip', 3600, 0, now(), now())"
    document = Baton.new(workflow_id="t").add("a", part.new(1)).to_json()
    await client.execute(put, "bad cron", document, "* * 31 2 *", None, "UTC")
    await client.execute(put, "bad zone", document, "* * * * *", None, "No/Where")
    await client.execute(put, "good", document, None, 3600.0, "UTC")

    async with WorkerPool(engine, lease=1):
        fired = "select count(*) > 0 from workflows where id like 'good%'"
        assert await eventually(lambda: connection.fetchval(fired))
