"""Inserting: everything or nothing, in one call or in several, once for an id."""

from __future__ import annotations

import asyncpg
import pytest

from baton.database import store as store_module
from tests.database.raw_pool import outcome, state, states, step, steps, workflow


async def test_what_waits_for_nothing_is_available_and_the_rest_is_suspended(pool, psql):
    await pool.insert("w", step("late", "b"), step("a"), step("b", "a"), step("c", "a", "b"))

    found = await steps(psql, "w")

    assert {name: (row["state"], row["pending"]) for name, row in found.items()} == {
        "late": ("suspended", 1),
        "a": ("available", 0),
        "b": ("suspended", 1),
        "c": ("suspended", 2),
    }
    assert found["c"]["dependencies"] == ["a", "b"]


async def test_an_id_that_exists_is_kept_and_its_fingerprint_returned(pool, psql):
    first = await pool.store.insert_workflow(workflow("w", step("a"), fingerprint="1:first"))
    before = await steps(psql, "w")

    second = await pool.store.insert_workflow(workflow("w", step("a"), step("b"), fingerprint="1:second"))

    assert (second.is_new, second.key, second.fingerprint) == (False, first.key, "1:first")
    assert await steps(psql, "w") == before


@pytest.mark.parametrize("size", [1, 3, 4])
async def test_a_workflow_written_in_several_calls_is_the_same(pool, psql, monkeypatch, size):
    monkeypatch.setattr(store_module, "STEPS_PER_CALL", size)
    graph = [step("a"), step("b", "d"), step("c", "a"), step("d", "a"), step("e", "b", "c"), step("f"), step("g")]

    async with pool.connection.transaction():
        inserted = await pool.insert("w", *graph)
        assert await states(psql, "w") == {}

    assert inserted.is_new
    assert [claimed.step for claimed in await pool.claim()] == ["a", "f", "g"]
    await pool.finish()
    assert await state(psql, "w") == "completed"


async def test_an_id_that_exists_stops_an_insert_of_several_calls_at_the_first(pool, psql, monkeypatch):
    monkeypatch.setattr(store_module, "STEPS_PER_CALL", 1)
    await pool.insert("w", step("a"))
    async with pool.connection.transaction():
        inserted = await pool.insert("w", step("a"), step("b"))

    assert not inserted.is_new
    assert await states(psql, "w") == {"a": "available"}


async def test_an_insert_rolls_back_with_its_transaction(pool, psql):
    transaction = pool.connection.transaction()
    await transaction.start()
    await pool.insert("w", step("a"))
    await transaction.rollback()

    assert await state(psql, "w") is None
    assert await psql.fetchval("select count(*) from queue") == 0


async def test_an_insert_that_fails_leaves_nothing(pool, psql):
    with pytest.raises(asyncpg.PostgresError, match="json"):
        await pool.insert("w", step("a"), step("b", args="{not json"))

    assert await state(psql, "w") is None


async def test_steps_of_two_workflows_do_not_meet(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"))
    await pool.insert("v", step("a"), step("b", "a"))

    await pool.end("w", discarded="a")

    assert await states(psql, "v") == {"a": "executing", "b": "suspended"}


async def test_names_that_need_quoting_travel_unharmed(pool, psql):
    odd = 'it\'s "odd" \\ ünïcode 🎼 %s {a,b}'
    await pool.insert("w'; drop", step(odd), step("b", odd))
    (claimed,) = await pool.claim()

    await pool.settle(outcome(claimed, "cancelled", odd))

    found = await steps(psql, "w'; drop")
    assert (claimed.step, list(found), found[odd]["reason"]) == (odd, [odd, "b"], odd)
    assert found["b"]["reason"].endswith(f"was cancelled: {odd}")
