"""Whatever a client inserts is refused in a sentence, or ends, whatever its steps do, and again after a retry.

`BATON_FUZZ=5000` tries that many inputs of each kind. The counts are printed; `-s` shows them.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, get_args

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from baton.database.columns import workflow_columns
from baton.database.grants import grant
from baton.database.store import Store
from tests.fuzzing.driver import Driver, Ending
from tests.fuzzing.from_schema import FromSchema
from tests.fuzzing.mutations import mutated, mutated_columns
from tests.fuzzing.valid_inserts import valid_inserts

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "workflow.schema.json"
INPUTS = int(os.environ.get("BATON_FUZZ", "600"))
ENDINGS: tuple[Ending, ...] = get_args(Ending)
SECONDS_PER_CALL = 10
"""A statement that takes longer counts as one that never ends."""
_TRUNCATE = "truncate " + ", ".join(
    f"baton.{table}" for table in ("workflows", "steps", "queue", "signals", "messages", "receivers", "awaited_runs")
)
_INSERT = "select id from baton.insert_workflow_json(convert_from($1::bytea, 'UTF8'))"
_REFUSALS = ("22", "23505", "54")
"""Classes of SQLSTATE: an invalid value, an id that belongs to another graph, too deep or too long for the server."""


@dataclass(repr=False)
class Fuzzer:
    """Inserts as a client, and runs what was accepted as the owner."""

    client: asyncpg.Connection
    owner: asyncpg.Connection
    driver: Driver
    runner: asyncio.Runner
    counts: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)

    def tries(self, document: bytes, ending: Ending) -> None:
        self.runner.run(self._tries(self.client.execute(_INSERT, document), ending))

    def tries_columns(self, columns: tuple[Any, ...], ending: Ending) -> None:
        inserting = Store(self.client, "baton", checks_inserts=True).insert_workflows(columns)
        self.runner.run(self._tries(inserting, ending))

    async def _tries(self, inserting: Awaitable[Any], ending: Ending) -> None:
        transaction = self.owner.transaction()
        try:
            await inserting
        except asyncpg.PostgresError as error:
            self._refused(error)
            return
        async with transaction:
            for row in await self.owner.fetch("select id from baton.workflows"):
                await self._ends(row["id"], ending)
        await self.owner.execute(_TRUNCATE)

    def _refused(self, error: asyncpg.PostgresError) -> None:
        code, message = str(error.sqlstate), str(error)
        assert code.startswith(_REFUSALS), f"{code} {message}"
        assert " " in message
        self.counts[f"refused {code[:2]}"] += 1
        self.reasons.append(message)

    async def _ends(self, workflow_id: str, ending: Ending) -> None:
        state = await self.driver.drive(workflow_id, ending)
        assert state != "executing", await self._stuck(workflow_id)
        self.counts[f"accepted, {state}"] += 1
        if state != "completed":
            await self.driver.retry(workflow_id)
            assert await self.driver.drive(workflow_id, "completed") != "executing", await self._stuck(workflow_id)

    async def _stuck(self, workflow_id: str) -> str:
        rows = await self.owner.fetch(
            "select name, state, pending, reason from baton.steps_view where workflow_id = $1", workflow_id
        )
        return "\n".join(["the workflow does not end:", *[str(dict(row)) for row in rows]])


@pytest.fixture
def fuzzer(database: str) -> Iterator[Fuzzer]:
    with asyncio.Runner() as runner:
        made = runner.run(_fuzzer(database, runner))
        yield made
        runner.run(made.client.close())
        runner.run(made.owner.execute("drop owned by baton_fuzzer; drop role baton_fuzzer"))
        runner.run(made.owner.close())
        print(f"\n{made.counts.total():,} inputs:", dict(sorted(made.counts.items())))  # noqa: T201  # shown by -s


async def _fuzzer(database: str, runner: asyncio.Runner) -> Fuzzer:
    limit = {"statement_timeout": f"{SECONDS_PER_CALL}s"}
    owner = await asyncpg.connect(database, server_settings=limit)
    await owner.execute("drop role if exists baton_fuzzer; create role baton_fuzzer login")
    await grant(owner, "baton", {"client": ["baton_fuzzer"]})
    client = await asyncpg.connect(database, user="baton_fuzzer", server_settings=limit)
    return Fuzzer(client, owner, await Driver.register(owner), runner)


def for_many(strategy: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call a test once for each of many inputs; the printed seed and the message of a failure identify the input."""
    quick = settings(
        max_examples=INPUTS,
        deadline=None,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: quick(given(drawn=strategy, ending=st.sampled_from(ENDINGS))(test))


@pytest.fixture
def documents() -> list[dict[str, Any]]:
    return [json.loads(flow.to_json()) for flow in valid_inserts()]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_valid_ones_are_accepted_and_end(fuzzer, documents, ending):
    for document in documents:
        fuzzer.tries(json.dumps(document).encode(), ending)

    assert fuzzer.reasons == []


@pytest.mark.slow
@for_many(FromSchema(json.loads(SCHEMA.read_text())).documents())
def test_documents_of_the_published_schema_are_refused_or_end(fuzzer, drawn, ending):
    fuzzer.tries(json.dumps(drawn).encode(), ending)


@pytest.mark.slow
@for_many(st.integers(0, 2**32))
def test_mutated_documents_are_refused_or_end(fuzzer, documents, drawn, ending):
    random = Random(drawn)
    fuzzer.tries(json.dumps(mutated(random.choice(documents), random)).encode(), ending)


@pytest.mark.slow
@for_many(st.integers(0, 2**32))
def test_mutated_bytes_are_refused_or_end(fuzzer, documents, drawn, ending):
    random = Random(drawn)
    text = bytearray(json.dumps(random.choice(documents)).encode())
    for _ in range(random.choice((1, 1, 2, 10))):
        place = random.randrange(len(text))
        match random.randrange(4):
            case 0:
                text[place] = random.randrange(256)
            case 1:
                del text[place : place + random.randrange(1, 20)]
            case 2:
                text[place:place] = text[place : place + random.randrange(1, 20)]
            case _:
                text[place] = random.choice(b'0123456789[]{},:"tfn')
    fuzzer.tries(bytes(text), ending)


@pytest.mark.slow
@for_many(st.integers(0, 2**32))
def test_mutated_columns_are_refused_or_end(fuzzer, drawn, ending):
    """The entrance that Python uses for a client: parallel arrays."""
    random = Random(drawn)
    flow = random.choice(valid_inserts())
    fuzzer.tries_columns(mutated_columns(workflow_columns([flow.spec()]), random), ending)
