"""When a notified pool claims: the pools that usually claim first at once, the others one after another."""

from __future__ import annotations

import pytest

from baton.runtime.wakeups import LONGEST_DELAY_SECONDS, SPACING_SECONDS, WAKE_AT_ONCE, StaggeredWakeups

POOLS = 41
OTHERS = POOLS - 1
LAST_WAKEUP = (OTHERS - WAKE_AT_ONCE) * SPACING_SECONDS


def wakeups(*places, pools=POOLS):
    """The wakeups of one of `pools` pools, which draws these positions one after the other."""
    made = StaggeredWakeups(draw=iter(places).__next__)
    made.pools_counted({"a": pools})
    return made


def claim(made, *, claimed=0):
    made.claim_answered("a", claimed=claimed, was_notified="a" in made.claim_sent({"a"}))


def find_nothing(made, now=0.0):
    """Let a notification cause a claim that returns nothing."""
    made.notified("a", 1, now)
    made.take_due(now + LONGEST_DELAY_SECONDS)
    claim(made)


def wait(made, entries=1):
    made.notified("a", entries, 0.0)
    return made.next_in(0.0)


def test_at_first_a_pool_wakes_at_once():
    assert wait(wakeups()) == 0


def test_a_pool_backs_off_when_a_notified_claim_returns_nothing():
    made = wakeups(0.5)
    find_nothing(made)

    assert wait(made) == pytest.approx((OTHERS / 2 - WAKE_AT_ONCE) * SPACING_SECONDS)


def test_a_position_is_drawn_anew_after_each_claim_without_work():
    made = wakeups(0.5, 0.25)
    find_nothing(made)
    find_nothing(made)

    assert wait(made) == pytest.approx((OTHERS / 4 - WAKE_AT_ONCE) * SPACING_SECONDS)


def test_a_claim_without_work_backs_off_only_if_it_was_notified():
    made = wakeups()
    claim(made)

    assert wait(made) == 0


@pytest.mark.parametrize("is_prompted", [True, False])
def test_any_claim_that_returns_work_ends_the_back_off(is_prompted):
    made = wakeups(0.5)
    find_nothing(made)
    if is_prompted:
        made.notified("a", 1, 0.0)
    claim(made, claimed=1)

    assert wait(made) == 0


def test_a_notification_during_a_claim_that_returns_work_is_no_back_off():
    made = wakeups(0.5)
    made.notified("a", 1, 0.0)
    notified = made.claim_sent({"a"})
    made.notified("a", 1, 0.0)
    made.claim_answered("a", claimed=2, was_notified="a" in notified)
    made.take_due(0.0)
    claim(made)

    assert wait(made) == 0


def test_a_notification_during_a_claim_without_work_backs_off_too():
    made = wakeups(0.5, 0.25)
    made.notified("a", 1, 0.0)
    notified = made.claim_sent({"a"})
    made.notified("a", 1, 0.0)
    made.claim_answered("a", claimed=0, was_notified="a" in notified)
    made.take_due(0.0)
    claim(made)

    assert wait(made) == pytest.approx((OTHERS / 4 - WAKE_AT_ONCE) * SPACING_SECONDS)


def test_no_pool_waits_before_it_knows_the_number_of_pools():
    made = StaggeredWakeups(draw=lambda: 1.0)
    find_nothing(made)

    assert wait(made) == 0


def test_no_pool_waits_longer_than_the_longest_delay():
    made = wakeups(1.0, pools=100_000)
    find_nothing(made)

    assert 0.99 * LONGEST_DELAY_SECONDS < wait(made) <= LONGEST_DELAY_SECONDS


def test_the_first_few_of_many_pools_wake_at_once():
    made = wakeups(WAKE_AT_ONCE / OTHERS)
    find_nothing(made)

    assert wait(made) == 0


@pytest.mark.parametrize("pools", range(WAKE_AT_ONCE + 2))
def test_a_few_pools_never_wait(pools):
    made = wakeups(1.0, pools=pools)
    find_nothing(made)

    assert wait(made) == 0


def test_for_more_entries_more_pools_wake_at_once():
    made = wakeups(1.0)
    find_nothing(made)

    assert wait(made, entries=2) == pytest.approx((OTHERS / 2 - WAKE_AT_ONCE) * SPACING_SECONDS)


def test_one_wakeup_serves_all_notifications_before_it():
    made = wakeups(1.0)
    find_nothing(made)
    made.notified("a", 1, 0.0)
    made.notified("a", 1, LAST_WAKEUP / 2)

    assert made.take_due(LAST_WAKEUP / 2) == []
    assert made.take_due(LAST_WAKEUP) == ["a"]
    assert made.take_due(1.0) == []
    assert made.next_in(1.0) is None


def test_many_entries_bring_a_planned_wakeup_forward():
    made = wakeups(1.0)
    find_nothing(made)
    made.notified("a", 1, 0.0)
    made.notified("a", 1000, 0.001)

    assert made.take_due(0.001) == ["a"]


def test_a_claim_cancels_the_planned_wakeup():
    made = wakeups(1.0, 1.0)
    find_nothing(made)
    made.notified("a", 1, 0.0)
    assert set(made.planned) == {"a"}

    assert made.claim_sent({"a"}) == {"a"}
    assert set(made.planned) == set()


def test_each_queue_has_a_wakeup_of_its_own():
    made = wakeups(1.0)
    find_nothing(made)
    made.notified("a", 1, 0.0)
    made.notified("b", 1, 0.0)

    assert made.take_due(0.0) == ["b"]
    assert set(made.planned) == {"a"}
