"""When a pool answers a notification: at once, or after it has backed off in its turn."""

from __future__ import annotations

import pytest

from baton.runtime.wakeups import LONGEST_DELAY_SECONDS, SPACING_SECONDS, WAKE_AT_ONCE, StaggeredWakeups

POOLS = 41
OTHERS = POOLS - 1
LAST_WAKEUP = (OTHERS - WAKE_AT_ONCE) * SPACING_SECONDS


def wakeups_of(*positions, pools=POOLS):
    """The wakeups of one of these pools, which draws these positions one by one."""
    made = StaggeredWakeups(draw=iter(positions).__next__)
    made.pools_counted({"a": pools})
    return made


def claim(made, *, claimed=0):
    made.claim_answered("a", claimed=claimed, was_notified="a" in made.claim_sent({"a"}))


def back_off(made, now=0.0):
    """Let a notification cause a claim that returns nothing."""
    made.notified("a", 1, now)
    made.take_due(now + LONGEST_DELAY_SECONDS)
    claim(made)


def wait(made, entries=1):
    made.notified("a", entries, 0.0)
    return made.next_in(0.0)


def test_at_first_a_pool_wakes_at_once():
    assert wait(wakeups_of()) == 0


def test_a_notified_claim_that_returns_nothing_makes_the_pool_back_off():
    made = wakeups_of(0.5)
    back_off(made)

    assert wait(made) == pytest.approx((OTHERS / 2 - WAKE_AT_ONCE) * SPACING_SECONDS)


def test_a_position_is_drawn_after_each_claim_that_returns_nothing():
    made = wakeups_of(0.5, 0.25)
    back_off(made)
    back_off(made)

    assert wait(made) == pytest.approx((OTHERS / 4 - WAKE_AT_ONCE) * SPACING_SECONDS)


def test_a_claim_without_a_notification_does_not_make_the_pool_back_off():
    made = wakeups_of()
    claim(made)

    assert wait(made) == 0


@pytest.mark.parametrize("was_notified_again", [True, False])
def test_any_claim_that_returns_work_ends_the_backing_off(was_notified_again):
    made = wakeups_of(0.5)
    back_off(made)
    if was_notified_again:
        made.notified("a", 1, 0.0)
    claim(made, claimed=1)

    assert wait(made) == 0


def test_a_notification_during_a_claim_that_returns_work_is_forgotten():
    made = wakeups_of(0.5)
    made.notified("a", 1, 0.0)
    notified = made.claim_sent({"a"})
    made.notified("a", 1, 0.0)
    made.claim_answered("a", claimed=2, was_notified="a" in notified)
    made.take_due(0.0)
    claim(made)

    assert wait(made) == 0


def test_a_notification_during_a_claim_that_returns_nothing_counts():
    made = wakeups_of(0.5, 0.25)
    made.notified("a", 1, 0.0)
    notified = made.claim_sent({"a"})
    made.notified("a", 1, 0.0)
    made.claim_answered("a", claimed=0, was_notified="a" in notified)
    made.take_due(0.0)
    claim(made)

    assert wait(made) == pytest.approx((OTHERS / 4 - WAKE_AT_ONCE) * SPACING_SECONDS)


def test_no_pool_waits_before_the_pools_are_counted():
    made = StaggeredWakeups(draw=lambda: 1.0)
    back_off(made)

    assert wait(made) == 0


def test_no_pool_waits_longer_than_the_longest_delay():
    made = wakeups_of(1.0, pools=100_000)
    back_off(made)

    assert 0.99 * LONGEST_DELAY_SECONDS < wait(made) <= LONGEST_DELAY_SECONDS


def test_the_first_positions_wake_at_once():
    made = wakeups_of(WAKE_AT_ONCE / OTHERS)
    back_off(made)

    assert wait(made) == 0


@pytest.mark.parametrize("pools", range(WAKE_AT_ONCE + 2))
def test_a_few_pools_never_wait(pools):
    made = wakeups_of(1.0, pools=pools)
    back_off(made)

    assert wait(made) == 0


def test_more_entries_wake_more_pools_at_a_time():
    made = wakeups_of(1.0)
    back_off(made)

    assert wait(made, entries=2) == pytest.approx((OTHERS / 2 - WAKE_AT_ONCE) * SPACING_SECONDS)


def test_one_wakeup_serves_all_notifications_until_then():
    made = wakeups_of(1.0)
    back_off(made)
    made.notified("a", 1, 0.0)
    made.notified("a", 1, LAST_WAKEUP / 2)

    assert made.take_due(LAST_WAKEUP / 2) == []
    assert made.take_due(LAST_WAKEUP) == ["a"]
    assert made.take_due(1.0) == []
    assert made.next_in(1.0) is None


def test_a_large_notification_brings_a_wakeup_forward():
    made = wakeups_of(1.0)
    back_off(made)
    made.notified("a", 1, 0.0)
    made.notified("a", 1000, 0.001)

    assert made.take_due(0.001) == ["a"]


def test_a_claim_replaces_the_wakeup_that_is_planned():
    made = wakeups_of(1.0, 1.0)
    back_off(made)
    made.notified("a", 1, 0.0)
    assert set(made.planned) == {"a"}

    assert made.claim_sent({"a"}) == {"a"}
    assert set(made.planned) == set()


def test_each_queue_has_a_wakeup_of_its_own():
    made = wakeups_of(1.0)
    back_off(made)
    made.notified("a", 1, 0.0)
    made.notified("b", 1, 0.0)

    assert made.take_due(0.0) == ["b"]
    assert set(made.planned) == {"a"}
