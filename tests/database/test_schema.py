"""The schema that a fresh migration makes is the one in schema.txt, so that a review sees each change of it."""

from __future__ import annotations

import difflib
from uuid import uuid4

import asyncpg
import pytest

from tests.database.schema_dump import COMMAND, SCHEMA_FILE, migrated_and_dumped


@pytest.fixture
async def dumped(empty_database):
    """Dump a fresh schema, after these changes."""

    async def dumped(*changes):
        connection = await asyncpg.connect(empty_database)
        try:
            return await migrated_and_dumped(connection, uuid4().hex[:8], changes)
        finally:
            await connection.close()

    return dumped


async def test_a_fresh_schema_is_the_one_on_file(dumped):
    found = await dumped()

    lines = difflib.unified_diff(SCHEMA_FILE.read_text().splitlines(), found.splitlines(), "schema.txt", "found", n=1)
    difference = "\n".join(lines)
    assert not difference, f"the schema has changed; if that is meant, run {COMMAND}:\n{difference}"


@pytest.mark.parametrize(
    "change",
    [
        "alter table baton.steps add column label text",
        "alter table baton.steps alter column schedule_in type text",
        "alter table baton.workflows alter column debug set default true",
        "alter table baton.queue alter column pool set not null",
        "comment on column baton.steps.reason is 'another'",
        "alter table baton.steps drop constraint steps_slots",
        "alter domain baton.step_state drop constraint steps_state",
        "drop index baton.queue_due",
        "alter table baton.workflows set (fillfactor = 60)",
        "create view baton.other as select 1 as one",
        "create function baton.other() returns integer language sql as 'select 1'",
        "alter function baton.claim set lock_timeout = '2s'",
        "alter function baton.claim security invoker",
        "alter function baton.claim stable",
        "grant execute on function baton.claim to public",
        "grant insert on baton.queue_settings to public",
    ],
)
async def test_the_dump_shows_each_kind_of_change(dumped, change):
    assert await dumped(change) != SCHEMA_FILE.read_text()
