"""Random workflows with all that decides how a workflow ends, compared with a model of the rules after each event."""

from __future__ import annotations

import os
from collections import Counter

import asyncpg
import pytest

from baton.database.store import Store
from tests.endings.driver import Differs, Drive
from tests.model.random_endings import ending_plans

WORKFLOWS = int(os.environ.get("BATON_WORKFLOWS", "150"))
"""BATON_WORKFLOWS=5000 with --timeout=0 takes some minutes."""
MOST_REPORTED = 20


@pytest.mark.slow
async def test_random_endings_are_as_the_model_says_after_each_event(connection, seed):
    """Conditions, closing steps, undos, needs, rests, cancels at random moments, retries; one event a transaction."""
    store = Store(connection, "baton")
    pool = await store.register(
        name="raw", host="here", pid=1, limits={"default": 1000}, workers=["follow ending"], lease_seconds=600
    )
    reached: Counter[str] = Counter()
    wrong = []
    for plan in ending_plans(seed, WORKFLOWS):
        drive = Drive(plan, connection, pool, reached)
        try:
            await drive.run()
        except (Differs, asyncpg.PostgresError) as found:
            wrong.append(str(found) if isinstance(found, Differs) else drive.described(repr(found)))
            # What it left would be claimed with the steps of the next one.
            await connection.execute("truncate baton.queue, baton.unended_attempts")

    print(f"{sum(reached.values())} comparisons: {dict(sorted(reached.items()))}")  # noqa: T201  # what it reached
    assert not wrong, "\n".join(wrong[:MOST_REPORTED])
    missing = {"retries", "cancels", "void attempts ended", "cancelled", "failed"} - reached.keys()
    assert not missing or WORKFLOWS < 100 or "/" in seed, f"it never came to {sorted(missing)}"
