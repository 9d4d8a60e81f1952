"""Rule 6: notify rarely. What exactly is notified, and when nothing is."""

from __future__ import annotations

import pytest

from tests.database.raw_pool import assert_consistent, outcome, overlap, step


@pytest.fixture
async def quiet(pool, notifications):
    """A pool whose registration notified nothing."""
    assert await notifications.received() == []
    return pool


def delays(heard):
    return [int(notice.removeprefix("due ")) for notice in heard if notice.startswith("due ")]


async def test_an_insert_wakes_each_queue_once(quiet, notifications):
    await quiet.insert("w", *[step(f"s{n}") for n in range(5)], step("x", queue="web"), step("y", "x", queue="late"))

    assert await notifications.received() == ["queue 1 default", "queue 1 web"]


@pytest.mark.parametrize(("count", "announced"), [(9, 1), (10, 10), (99, 10), (100, 100)])
async def test_a_notification_has_the_number_of_entries_as_a_power_of_ten(quiet, notifications, count, announced):
    """Rounded down."""
    await quiet.insert("w", *[step(f"s{n}") for n in range(count)])

    assert await notifications.received() == [f"queue {announced} default"]


async def test_an_advance_counts_what_it_left_and_not_what_it_claimed(quiet, notifications):
    await quiet.insert("w", step("a"), *[step(f"s{n}", "a") for n in range(11)])
    await quiet.claim()
    await notifications.received()

    await quiet.advance(*quiet.outcomes("w", completed="a"), limit=2)

    assert await notifications.received() == ["queue 1 default"]


async def test_suspended_steps_and_existing_workflows_are_not_announced(quiet, notifications):
    await quiet.insert("w", step("a", schedule_in=3600), step("b", "a", queue="web"))
    await quiet.insert("w", step("a"))

    assert await notifications.received() == []


async def test_what_rolled_back_is_not_announced(quiet, notifications, psql):
    await quiet.insert("w", step("a"))
    await quiet.claim()
    await quiet.store.watch("w", None)
    await notifications.received()
    transaction = quiet.connection.transaction()
    await transaction.start()
    await quiet.insert("v", step("a"))
    await quiet.settle(*quiet.outcomes("w", completed="a"))
    await transaction.rollback()

    assert await notifications.received() == []


async def test_one_transaction_that_inserts_many_wakes_a_queue_once(quiet, notifications):
    async with quiet.connection.transaction():
        for n in range(10):
            await quiet.insert(f"w{n}", step("a"))

    assert await notifications.received() == ["queue 1 default"]


async def test_a_settle_wakes_the_queues_of_what_it_released(quiet, notifications):
    await quiet.insert("w", step("a"), step("b", "a", queue="web"), step("c", "a", queue="web"), step("d", "b"))
    await quiet.claim()
    await notifications.received()

    await quiet.settle(*quiet.outcomes("w", completed="a"))

    assert await notifications.received() == ["queue 1 web"]


async def test_an_advance_does_not_announce_what_it_claimed_itself(quiet, notifications):
    await quiet.insert("w", step("a"), step("b", "a"), step("c", "a"))
    await quiet.claim()
    await notifications.received()

    await quiet.advance(*quiet.outcomes("w", completed="a"))

    assert await notifications.received() == []


async def test_an_advance_wakes_others_for_what_it_left(quiet, notifications):
    await quiet.insert("w", step("a"), step("b", "a"), step("c", "a"), step("d", "a", queue="web"))
    await quiet.claim()
    await notifications.received()

    await quiet.advance(*quiet.outcomes("w", completed="a"), limit=1)

    assert await notifications.received() == ["queue 1 default", "queue 1 web"]


async def test_a_claim_and_a_heartbeat_notify_nothing(quiet, notifications):
    await quiet.insert("w", step("a"))
    await notifications.received()

    (claimed,) = await quiet.claim()
    await quiet.heartbeat(claimed.token)

    assert await notifications.received() == []


async def test_a_completion_that_releases_nothing_notifies_nothing(quiet, notifications):
    await quiet.insert("w", step("a"), step("b"), step("c", "a", "b"))
    await quiet.claim()
    await notifications.received()

    await quiet.settle(*quiet.outcomes("w", completed="a"))

    assert await notifications.received() == []


@pytest.mark.parametrize(("delay", "said"), [(9.5, True), (11, False)])
@pytest.mark.parametrize("kind", ["failed", "snoozed"])
async def test_a_delay_is_announced_if_it_ends_within_two_polls(quiet, notifications, kind, delay, said):
    await quiet.insert("w", step("a"))
    (claimed,) = await quiet.claim()
    await notifications.received()

    await quiet.settle(outcome(claimed, kind, delay=delay))

    assert await notifications.received() == ([f"due {delay * 1000:g}"] if said else [])


async def test_of_several_delays_the_soonest_is_announced(quiet, notifications):
    await quiet.insert("w", *[step(f"s{n}", schedule_in=n) for n in (3, 2, 7, 60)])

    assert await notifications.received() == ["due 2000"]


async def test_a_scheduled_step_is_announced_when_it_is_released(quiet, notifications):
    await quiet.insert("w", step("a"), step("b", "a", schedule_in=1.5))
    await quiet.claim()
    await notifications.received()

    await quiet.settle(*quiet.outcomes("w", completed="a"))

    assert delays(await notifications.received()) == [1500]


@pytest.mark.parametrize("kind", ["failed", "snoozed", "given_back"])
async def test_a_step_that_is_available_again_at_once_wakes_its_queue(quiet, notifications, kind):
    await quiet.insert("w", step("a"))
    (claimed,) = await quiet.claim()
    await notifications.received()

    await quiet.settle(outcome(claimed, kind, delay=0))

    assert await notifications.received() == ["queue 1 default"]


async def test_a_cancel_notifies_each_pool_that_holds_a_claim_once(quiet, other, notifications):
    await quiet.insert("w", *[step(f"s{n}") for n in range(6)])
    await quiet.claim(limit=2)
    await other.claim(limit=2)
    await notifications.received()

    await quiet.cancel("w")

    assert await notifications.received() == sorted([f"cancel {quiet.id}", f"cancel {other.id}"])


async def test_a_cancel_of_what_does_not_run_notifies_no_pool(quiet, notifications):
    await quiet.insert("w", step("a"), step("b", "a"), step("c", "a", queue="web", ignoring="cancelled"))
    await notifications.received()

    await quiet.cancel("w", "a")

    assert await notifications.received() == ["queue 1 web"]


async def test_a_finish_nobody_watches_is_not_announced(quiet, notifications):
    await quiet.insert("w", step("a"))
    await quiet.claim()
    await notifications.received()

    await quiet.settle(*quiet.outcomes("w", completed="a"))

    assert await notifications.received() == []


@pytest.mark.parametrize("end", ["completed", "discarded", "skipped", "cancelled"])
async def test_a_watched_workflow_is_announced_once_when_it_finishes(quiet, notifications, end):
    key = (await quiet.insert("w", step("a"), step("b", "a"), step("c"))).key
    watched = await quiet.store.watch("w", None)
    await quiet.end("w", completed="c")
    await notifications.received()

    await quiet.settle(*quiet.outcomes("w", **{end: "a"}))
    if end == "completed":
        await quiet.end("w", completed="b")

    assert (watched.key, watched.state) == (key, "executing")
    assert [notice for notice in await notifications.received() if notice.startswith("workflow")] == [f"workflow {key}"]


async def test_a_watched_workflow_that_is_cancelled_as_a_whole_is_announced(quiet, notifications):
    key = (await quiet.insert("w", step("a"))).key
    await quiet.store.watch("w", None)
    await notifications.received()

    await quiet.cancel("w")

    assert await notifications.received() == [f"workflow {key}"]


async def test_each_finish_is_announced_once_also_after_a_retry(quiet, notifications):
    key = (await quiet.insert("w", step("a"))).key
    await quiet.store.watch("w", None)
    await quiet.end("w", discarded="a")
    await notifications.received()

    await quiet.retry("w")
    assert await notifications.received() == ["queue 1 default"]
    await quiet.end("w", completed="a")

    assert await notifications.received() == [f"workflow {key}"]


async def test_a_retry_that_ends_everything_again_announces_that_finish(quiet, notifications):
    key = (await quiet.insert("w", step("a"), step("c", "a"))).key
    await quiet.store.watch("w", None)
    await quiet.end("w", discarded="a")
    await notifications.received()

    await quiet.retry("w", "c")

    assert await notifications.received() == [f"workflow {key}"]


@pytest.mark.parametrize(("ends", "name"), [("a", "a"), ("a", "below")])
async def test_a_watched_step_is_announced_when_it_ends(quiet, notifications, ends, name):
    await quiet.insert("w", step("a"), step("below", "a"), step("x"))
    watched = await quiet.store.watch("w", name)
    await quiet.claim()
    await notifications.received()

    await quiet.settle(*quiet.outcomes("w", discarded=ends))

    assert watched.state in ("queued", "suspended")
    assert await notifications.received() == [f"step {watched.step_id}"]


async def test_a_watched_step_that_is_cancelled_with_its_workflow_is_announced(quiet, notifications):
    await quiet.insert("w", step("a"), step("b", "a"))
    watched = await quiet.store.watch("w", "b")
    await notifications.received()

    await quiet.cancel("w")

    assert await notifications.received() == [f"step {watched.step_id}"]


async def test_a_watch_that_comes_too_late_reads_the_end(quiet, notifications):
    await quiet.insert("w", step("a"))
    await quiet.end("w", completed="a")

    flow, one = await quiet.store.watch("w", None), await quiet.store.watch("w", "a")

    assert (flow.state, one.state) == ("completed", "completed")


async def test_a_watch_of_what_is_not_there_finds_nothing(quiet):
    await quiet.insert("w", step("a"))

    nowhere, nobody = await quiet.store.watch("x", None), await quiet.store.watch("w", "x")

    assert (nowhere.key, nowhere.state) == (None, None)
    assert (nobody.key is not None, nobody.step_id) == (True, None)


async def test_a_watch_that_waits_for_the_last_settle_reads_the_end(quiet, other, notifications):
    await quiet.insert("w", step("a"))
    await quiet.claim()

    _, watched = await overlap(
        quiet.connection,
        quiet.settle(*quiet.outcomes("w", completed="a")),
        other.connection,
        other.store.watch("w", None),
    )

    assert watched.state == "completed"


async def test_staging_wakes_each_queue_once(quiet, notifications, psql):
    await quiet.insert("w", *[step(f"s{n}", schedule_in=60) for n in range(3)], step("x", queue="web", schedule_in=60))
    await psql.execute("update queue set scheduled_at = now()")

    await quiet.run_upkeep(sweep=False)

    assert await notifications.received() == ["queue 1 default", "queue 1 web"]


async def test_a_rescue_announces_what_is_due_soon(quiet, other, notifications):
    await quiet.insert("w", step("a"), step("b", "a"))
    await quiet.claim()
    await notifications.received()
    await quiet.store.deregister(quiet.id)

    await other.run_upkeep()

    (due,) = delays(await notifications.received())
    assert 1800 <= due <= 2200


async def test_upkeep_with_nothing_to_do_notifies_nothing(quiet, notifications):
    await quiet.run_upkeep()

    assert await notifications.received() == []
    await assert_consistent(quiet.connection)
