"""What a settle writes: no index of the tables that only grow."""

from __future__ import annotations

import pytest

from tests.database.raw_pool import RawPool, outcome, step


@pytest.mark.parametrize("table", ["workflows", "steps"])
async def test_a_settle_leaves_the_indexes_of_the_records_alone(connection, table):
    pool = await RawPool.register(connection)
    await pool.insert("w", step("a"), step("b", "a"))
    async with connection.transaction():
        (first,) = await pool.claim()
        (second,) = (await pool.advance(outcome(first, "completed"))).claimed
        await pool.settle(outcome(second, "completed"))

        written = await connection.fetchrow(
            "select n_tup_upd as rows, n_tup_hot_upd as hot from pg_stat_xact_user_tables where relname = $1", table
        )

    assert written["rows"] > 0
    assert written["hot"] == written["rows"]
