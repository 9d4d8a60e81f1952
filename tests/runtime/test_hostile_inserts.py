"""What a client may insert although Python would not have built it: its step fails alone, in a pool that goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from baton import Baton, Run, WorkerPool, each, result_of, worker

INSERT = "select insert_workflow_json($1)"


@worker(name="hostile target")
async def target(value: object = None, other: object = None) -> object:
    return value


def document(flow: Baton, **changes: Any) -> str:
    """Return a workflow as JSON text, its last step changed."""
    written = json.loads(flow.to_json())
    written["steps"][-1] |= changes
    return json.dumps(written)


def two_steps() -> Baton:
    return Baton.new(workflow_id="w").add("a", target.new(1)).add("b", target.new(result_of("a")))


def a_map() -> Baton:
    return Baton.new(workflow_id="w").add("b", target.new(each([1, 2])))


HOSTILE = {
    "nested deep": document(two_steps(), args='{"value":' + "[" * 3_000 + "]" * 3_000 + "}", references=None),
    "an integer of 6,000 digits": document(two_steps(), args='{"value":' + "9" * 6_000 + "}", references=None),
    "a number that is none": document(two_steps(), args='{"value":1e999999}', references=None),
    "half a character": document(two_steps(), args='{"value":"\\ud800"}', references=None),
    "a path into nothing": document(two_steps(), references='[[["value","x",3],"a"]]'),
    "a path beyond the list": document(two_steps(), args='{"value":[]}', references='[[["value",7],"a"]]'),
    "a parameter that is not there": document(two_steps(), args='{"nobody":1}', references=None),
    "a parameter twice": document(two_steps(), args='{"value":1,"value":[]}', references=None),
    "each of nothing": document(a_map(), extras={"kind": {"type": "map", "each": ["nobody"], "child_inputs": []}}),
    "each of a number": document(a_map(), args='{"value":7}'),
    "each of lists that differ": document(
        a_map(),
        args='{"value":[1],"other":[1,2]}',
        extras={"kind": {"type": "map", "each": ["value", "other"], "child_inputs": []}},
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_step_fails_alone(engine, connection, name):
    """The pool discards it, or runs it with what it is given. What does not fit is not put back here."""
    await connection.execute(INSERT, HOSTILE[name])
    async with WorkerPool(engine, misfit=0) as pool:
        assert await Run("w").wait(timeout=20) in ("completed", "failed")
        assert await (await target.new(7).insert()).result(timeout=20) == 7
        assert pool.health().is_ready
