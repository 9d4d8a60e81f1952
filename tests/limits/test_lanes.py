"""Lanes of a queue: limits of their own, and turns."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.database.raw_pool import outcome, step, workflow


async def inserted(pool, count, lane, **options):
    """Insert workflows of one step each, which are named after their lane."""
    for number in range(count):
        await pool.store.insert_workflow(workflow(f"{lane} {number}", step("a", lane=lane, **options)))


def lanes(claims):
    return Counter(claimed.workflow_id.split()[0] for claimed in claims)


async def test_no_more_of_a_lane_execute_than_its_limit_allows(pool, other, limit):
    await inserted(pool, 5, "red")
    await inserted(pool, 1, "blue")
    await limit(lane_running=2)

    assert lanes(await pool.claim()) == {"red": 2, "blue": 1}
    assert await other.claim() == []


async def test_a_freed_slot_of_a_lane_is_that_lanes(pool, limit):
    await inserted(pool, 5, "red")
    await inserted(pool, 5, "blue")
    await limit(lane_running=2)
    claims = await pool.claim()
    red = next(claimed for claimed in claims if claimed.workflow_id.startswith("red"))

    assert lanes((await pool.advance(outcome(red, "completed"))).claimed) == {"red": 1}


async def test_lanes_take_turns(pool, limit):
    """Four entries a turn, so that a thousand entries of one lane do not keep others waiting."""
    await inserted(pool, 50, "red")
    await inserted(pool, 8, "blue")
    await inserted(pool, 8, "green")
    await limit(lane_running=100)

    counted = Counter()
    for _ in range(6):
        counted += lanes((await pool.advance(limit=4)).claimed)

    assert counted["blue"] >= 4
    assert counted["green"] >= 4


async def test_steps_without_a_lane_are_a_lane(pool, limit):
    for number in range(3):
        await pool.store.insert_workflow(workflow(f"none {number}", step("a")))
    await limit(lane_running=2)

    assert len(await pool.claim()) == 2


async def test_a_lane_needs_no_limit(pool):
    await inserted(pool, 3, "red")

    assert len(await pool.claim()) == 3


async def test_entries_that_waited_before_the_limit_have_lanes(pool, psql, limit):
    await inserted(pool, 5, "red")
    await limit(lane_running=2)
    await pool.store.insert_workflow(workflow("another", step("a", lane="red")))

    assert len(await pool.claim()) == 2
    assert await psql.fetchval("select count(*) from queue where lane is null") == 0


async def test_what_executes_when_lanes_get_a_limit_is_counted(pool, other, limit):
    await inserted(pool, 5, "red")
    await pool.claim(3)

    await limit(lane_running=4)

    assert len(await other.claim()) == 1


async def test_entries_with_lanes_go_on_when_the_limit_is_removed(pool, other, psql, limit):
    await inserted(pool, 6, "red")
    await limit(lane_running=1)
    await pool.claim()
    await limit(running=4)

    assert len(await other.claim()) == 3


async def test_a_higher_priority_comes_first(pool, limit):
    await inserted(pool, 3, "low", priority=5)
    await inserted(pool, 1, "high", priority=1)
    await limit(running=2, lane_running=2)

    assert lanes(await pool.claim(1)) == {"high": 1}


async def test_a_lane_with_entries_of_two_priorities_keeps_its_limit(pool, limit):
    await inserted(pool, 1, "red", priority=1)
    await pool.store.insert_workflow(workflow("red later", step("a", lane="red", priority=2)))
    await limit(lane_running=1)

    assert [claimed.workflow_id for claimed in await pool.claim()] == ["red 0"]


async def test_full_lanes_do_not_keep_a_lower_priority_from_its_start(pool, limit):
    await inserted(pool, 3, "full", priority=1)
    await inserted(pool, 1, "free", priority=5)
    await limit(lane_running=1)

    assert lanes(await pool.claim()) == {"full": 1, "free": 1}


async def test_the_one_free_lane_beside_many_full_ones_is_found(pool, psql, limit):
    """A claim looks at 128 lanes, and the next one goes on behind them, also at a lower priority."""
    for number in range(300):
        await inserted(pool, 2, f"full{number:03}")
    await limit(lane_running=1)
    assert len(await drained(pool)) == 300
    await inserted(pool, 1, "zfree", priority=7)

    assert lanes(await drained(pool)) == {"zfree": 1}


async def drained(pool):
    """Claim as a pool does, until it would wait for a notification."""
    import json
    from uuid import uuid4

    from baton.database.messages import ClaimRequest

    claims, memory = [], None
    for _ in range(50):
        advanced = await pool.store.advance(pool.id, (), ClaimRequest(uuid4(), {"default": 500}, memory=memory))
        claims += advanced.claimed
        if json.loads(advanced.memory)["default"]["next_in"] is None:
            return claims
        memory = advanced.memory
    raise AssertionError("the search does not end")


async def test_a_paused_lane_gives_nothing_until_it_is_resumed(pool, notifications):
    await inserted(pool, 2, "red")
    await inserted(pool, 1, "blue")

    assert await pool.store.pause("default", lane="red")
    assert not await pool.store.pause("default", lane="red")
    assert lanes(await pool.claim()) == {"blue": 1}

    await notifications.received()
    assert await pool.store.resume("default", lane="red")
    assert "lane 7 default red" in await notifications.received()
    assert lanes(await pool.claim()) == {"red": 2}


@pytest.mark.parametrize("lanes_at_once", [10, 60])
async def test_lanes_with_equal_work_get_equal_shares(pool, limit, lanes_at_once):
    """Jain's index over the starts, while one lane has far more work than the others."""
    await inserted(pool, 300, "rich")
    for number in range(lanes_at_once - 1):
        await inserted(pool, 8, f"poor{number:02}")
    await limit(running=20, lane_running=20)

    started, memory = Counter(), None
    running = []
    for _ in range(lanes_at_once):
        from uuid import uuid4

        from baton.database.messages import ClaimRequest

        settling = [outcome(claimed, "completed") for claimed in running]
        advanced = await pool.store.advance(pool.id, settling, ClaimRequest(uuid4(), {"default": 20}, memory=memory))
        running, memory = advanced.claimed, advanced.memory
        started += lanes(running)
        if sum(started.values()) >= 4 * lanes_at_once:
            break

    counts = [started[f"poor{number:02}"] for number in range(lanes_at_once - 1)] + [started["rich"]]
    assert sum(counts) ** 2 / (len(counts) * sum(count * count for count in counts)) >= 0.95
