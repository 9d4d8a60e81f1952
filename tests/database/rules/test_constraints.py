"""Rule 10: constraints carry the state machine. A row that breaks it cannot be written."""

from __future__ import annotations

import asyncpg
import pytest

from tests.database.raw_pool import step

TIMES = """
    insert into schedules (name, workflow, every, timezone, overlap, catch_up, jitter, next_at, due_at)
    values ('s', '', 60, 'UTC', 'skip', 0, 0, {}, {})
"""
SCHEDULE = """
    insert into schedules (name, workflow, timezone, catch_up, jitter, cron, every, overlap)
    values ('nightly', '{{}}', 'UTC', 0, 0, {}, {})
"""
WRONG = {
    "workflows_state": ["update workflows set state = 'running', finished_at = now(), remaining = 0"],
    "workflows_finished": [
        "update workflows set state = 'failed', remaining = 0",
        "update workflows set finished_at = now()",
    ],
    "workflows_remaining": [
        "update workflows set remaining = 0",
        "update workflows set remaining = -1",
        "update workflows set remaining = total + 1",
        "update workflows set state = 'failed', finished_at = now()",
    ],
    "workflows_total": [
        "update workflows set total = 4194305",
    ],
    "steps_state": ["update steps set state = 'executing', pending = 0"],
    "steps_finished": [
        "update steps set state = 'skipped', pending = 0",
        "update steps set finished_at = now()",
    ],
    "steps_suspended": [
        "update steps set state = 'suspended' where name = 'a'",
        "update steps set pending = 1 where name = 'a'",
        "update steps set pending = 0 where name = 'b'",
        "update steps set pending = -1 where name = 'a'",
        "update steps set state = 'cancelled', finished_at = now() where name = 'b'",
    ],
    "steps_result": [
        "update steps set state = 'completed', finished_at = now() where name = 'a'",
        "update steps set result = '1' where name = 'a'",
    ],
    "steps_grouping": ["update steps set grouping = 'chord'"],
    "steps_children": [
        "update steps set grouping = 'map', first_child = 1",
        "update steps set grouping = 'map', children = 1",
        "update steps set first_child = 1, children = 1",
    ],
    "steps_edges": [
        "update steps set edges = '{7}' where name = 'a'",
        "update steps set edges = '{}' where name = 'b'",
    ],
    "steps_role": ["update steps set role = 'sometimes'"],
    "steps_slots": [
        "update steps set concurrency = 2",
        "update steps set slots = 0",
        "update steps set concurrency = 2, slots = 3",
    ],
    "steps_queue": [
        "update steps set queue = repeat('q', 8100)",
        "insert into queue_settings (queue) values (repeat('q', 8100))",
    ],
    "steps_lane": [
        "update steps set lane = repeat('l', 2001)",
        "update steps set lane = ''",
    ],
    "queue_rate": ["insert into queue_settings (queue, starts, per) values ('q', 1, 1)"],
    "lane_rate": ["insert into queue_settings (queue, lane_burst) values ('q', 1)"],
    "steps_scheduled_at": [
        "update steps set scheduled_at = 'infinity'",
        "update steps set scheduled_at = '-infinity'",
        "update steps set scheduled_at = '20000-01-01'",
    ],
    "steps_schedule_in": [
        "update steps set schedule_in = 'infinity'",
        "update steps set schedule_in = 'nan'",
        "update steps set schedule_in = 1e300",
        "update steps set schedule_in = -1",
    ],
    "deadlines_kind": ["insert into deadlines (step_id, due_at, kind) values (1, now(), 'never')"],
    "upkeep_one_row": ["insert into upkeep (pruned_to, id) values (0, false)"],
    "insert_limits_one_row": ["insert into insert_limits (id) values (false)"],
    "schedule_timing": [SCHEDULE.format("null, null", "'skip'"), SCHEDULE.format("'* * * * *', 60", "'skip'")],
    "schedule_overlap": [SCHEDULE.format("null, 60", "'both'")],
    "schedule_times": [TIMES.format("'200000-01-01Z'", "now()"), TIMES.format("now()", "'200000-01-01Z'")],
    "workflows_debug": ["update workflows set debug = 'some'"],
    "steps_slots_free": ["update steps set concurrency = 2, slots = -1"],
    "queue_state": ["update queue set state = 'suspended'"],
    "queue_claim": [
        "update queue set state = 'executing'",
        "update queue set token = gen_random_uuid()",
        "update queue set token = gen_random_uuid(), pool = 1",
        "update queue set state = 'executing', token = gen_random_uuid()",
        "update queue set pool = 1",
    ],
    "workflows_id_key": ["insert into workflows (id, fingerprint, total, remaining) values ('w', '1:x', 1, 1)"],
    "steps_pkey": ["update steps set id = (select min(id) from steps)"],
    "queue_pkey": ["insert into queue select * from queue"],
}


@pytest.fixture
async def inserted(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"))
    return psql


@pytest.mark.parametrize(
    ("constraint", "statement"), [(name, statement) for name, wrong in WRONG.items() for statement in wrong]
)
async def test_a_wrong_row_is_refused(inserted, constraint, statement):
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as caught:
        await inserted.execute(statement)

    assert caught.value.constraint_name == constraint


async def test_every_check_of_the_schema_is_tried(inserted):
    found = await inserted.fetch(
        """
        select conname
          from pg_constraint
         where connamespace = 'baton'::regnamespace and contype = 'c'
        """
    )

    assert {row["conname"] for row in found} - {*WRONG} == set()
