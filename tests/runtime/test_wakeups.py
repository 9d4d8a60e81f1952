"""When a pool that is told of work looks: whoever was fast at once, the others one after another."""

from __future__ import annotations

import pytest

from baton.runtime.wakeups import LONGEST_DELAY_SECONDS, SPACING_SECONDS, WAKE_AT_ONCE, StaggeredWakeups

POOLS = 41
OTHERS = POOLS - 1
LAST_TURN = (OTHERS - WAKE_AT_ONCE) * SPACING_SECONDS


def turns(*places, pools=POOLS):
    """StaggeredWakeups of one of so many pools, which draws these places, one by one."""
    made = StaggeredWakeups(draw=iter(places).__next__)
    made.pools_counted({"a": pools})
    return made


def claim(made, *, claimed=0):
    made.claim_answered("a", claimed=claimed, was_notified="a" in made.claim_sent({"a"}))


def find_nothing(made, now=0.0):
    """Let a notice prompt a look that brings nothing."""
    made.notified("a", 1, now)
    made.take_due(now + LONGEST_DELAY_SECONDS)
    claim(made)


def wait(made, entries=1):
    made.notified("a", entries, 0.0)
    return made.next_in(0.0)


def test_at_first_a_pool_looks_at_once():
    assert wait(turns()) == 0


def test_a_look_that_a_notice_prompted_and_that_brings_nothing_makes_lazy():
    made = turns(0.5)
    find_nothing(made)

    assert wait(made) == pytest.approx((OTHERS / 2 - WAKE_AT_ONCE) * SPACING_SECONDS)


def test_a_place_is_drawn_anew_after_each_look_in_vain():
    made = turns(0.5, 0.25)
    find_nothing(made)
    find_nothing(made)

    assert wait(made) == pytest.approx((OTHERS / 4 - WAKE_AT_ONCE) * SPACING_SECONDS)


def test_a_look_in_vain_that_no_notice_prompted_leaves_a_pool_eager():
    made = turns()
    claim(made)

    assert wait(made) == 0


@pytest.mark.parametrize("is_prompted", [True, False])
def test_a_look_of_any_kind_that_brings_work_makes_eager_again(is_prompted):
    made = turns(0.5)
    find_nothing(made)
    if is_prompted:
        made.notified("a", 1, 0.0)
    claim(made, claimed=1)

    assert wait(made) == 0


def test_what_is_told_while_a_look_brings_work_makes_nobody_lazy():
    made = turns(0.5)
    made.notified("a", 1, 0.0)
    notified = made.claim_sent({"a"})
    made.notified("a", 1, 0.0)
    made.claim_answered("a", claimed=2, was_notified="a" in notified)
    made.take_due(0.0)
    claim(made)

    assert wait(made) == 0


def test_what_is_told_while_a_look_brings_nothing_makes_lazy_as_well():
    made = turns(0.5, 0.25)
    made.notified("a", 1, 0.0)
    notified = made.claim_sent({"a"})
    made.notified("a", 1, 0.0)
    made.claim_answered("a", claimed=0, was_notified="a" in notified)
    made.take_due(0.0)
    claim(made)

    assert wait(made) == pytest.approx((OTHERS / 4 - WAKE_AT_ONCE) * SPACING_SECONDS)


def test_nobody_waits_before_it_knows_how_many_there_are():
    made = StaggeredWakeups(draw=lambda: 1.0)
    find_nothing(made)

    assert wait(made) == 0


def test_nobody_waits_longer_than_the_longest_time_however_many_there_are():
    made = turns(1.0, pools=100_000)
    find_nothing(made)

    assert 0.99 * LONGEST_DELAY_SECONDS < wait(made) <= LONGEST_DELAY_SECONDS


def test_the_first_few_of_a_crowd_look_at_once():
    made = turns(WAKE_AT_ONCE / OTHERS)
    find_nothing(made)

    assert wait(made) == 0


@pytest.mark.parametrize("pools", range(WAKE_AT_ONCE + 2))
def test_a_few_pools_never_wait(pools):
    made = turns(1.0, pools=pools)
    find_nothing(made)

    assert wait(made) == 0


def test_of_more_entries_more_pools_come_at_a_time():
    made = turns(1.0)
    find_nothing(made)

    assert wait(made, entries=2) == pytest.approx((OTHERS / 2 - WAKE_AT_ONCE) * SPACING_SECONDS)


def test_all_that_is_told_until_a_turn_comes_is_served_by_it():
    made = turns(1.0)
    find_nothing(made)
    made.notified("a", 1, 0.0)
    made.notified("a", 1, LAST_TURN / 2)

    assert made.take_due(LAST_TURN / 2) == []
    assert made.take_due(LAST_TURN) == ["a"]
    assert made.take_due(1.0) == []
    assert made.next_in(1.0) is None


def test_many_entries_bring_forward_a_turn_that_is_waited_for():
    made = turns(1.0)
    find_nothing(made)
    made.notified("a", 1, 0.0)
    made.notified("a", 1000, 0.001)

    assert made.take_due(0.001) == ["a"]


def test_a_look_takes_the_turn_that_is_waited_for():
    made = turns(1.0, 1.0)
    find_nothing(made)
    made.notified("a", 1, 0.0)
    assert set(made.planned) == {"a"}

    assert made.claim_sent({"a"}) == {"a"}
    assert set(made.planned) == set()


def test_each_queue_has_its_own_turn():
    made = turns(1.0)
    find_nothing(made)
    made.notified("a", 1, 0.0)
    made.notified("b", 1, 0.0)

    assert made.take_due(0.0) == ["b"]
    assert set(made.planned) == {"a"}
