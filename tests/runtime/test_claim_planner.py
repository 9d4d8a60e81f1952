"""What a pool claims: its free slots, where there may be work."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from baton.runtime.claim_planner import MOST_PER_CLAIM, WORTH_A_CALL, ClaimPlanner
from baton.runtime.wakeups import LONGEST_DELAY_SECONDS, StaggeredWakeups


@dataclass
class Claim:
    queue: str


def reserved(planner, *, everywhere=False):
    return planner.reserve(uuid4(), everywhere=everywhere)


def answered(planner, claiming, **brought):
    planner.answered(claiming, [Claim(queue) for queue, count in brought.items() for _ in range(count)])


def lazy(limits):
    """The planner of a pool that others were faster than in each of its queues; it has the last place in a crowd."""
    planner = ClaimPlanner(limits, wakeups=StaggeredWakeups(draw=lambda: 1.0))
    planner.pools_counted([50] * len(limits))
    answered(planner, reserved(planner))
    for queue in limits:
        planner.notified(queue, 1, now=0.0)
    planner.wake_due(now=0.0)
    answered(planner, reserved(planner))
    return planner


def test_at_first_every_slot_of_every_queue_is_wanted():
    planner = ClaimPlanner({"a": 2, "b": 3})

    assert planner.wanted == 5
    assert reserved(planner).limits == {"a": 2, "b": 3}
    assert planner.wanted == 0


def test_a_queue_that_gave_less_is_not_asked_until_a_notification():
    planner = ClaimPlanner({"a": 2})
    answered(planner, reserved(planner), a=1)
    assert planner.wanted == 0

    planner.wake("a")

    assert reserved(planner).limits == {"a": 1}


def test_a_queue_that_gave_all_is_asked_again_when_a_slot_is_free():
    planner = ClaimPlanner({"a": 2})
    answered(planner, reserved(planner), a=2)
    assert planner.wanted == 0

    planner.slot_freed("a")

    assert planner.wanted == 1


def test_word_of_a_queue_during_its_claim_is_not_lost():
    planner = ClaimPlanner({"a": 2})
    claiming = reserved(planner)
    planner.wake("a")
    answered(planner, claiming)

    assert planner.wanted == 2


def test_outcomes_take_every_free_slot_along():
    planner = ClaimPlanner({"a": 2, "b": 1})
    answered(planner, reserved(planner))

    assert reserved(planner, everywhere=True).limits == {"a": 2, "b": 1}


def test_of_a_queue_that_was_empty_only_what_outcomes_release_is_asked_for():
    planner = ClaimPlanner({"full": 2, "empty": 1})
    answered(planner, reserved(planner), full=2)
    planner.slot_freed("full")

    claiming = reserved(planner, everywhere=True)

    assert claiming.seen_empty == {"empty"}
    assert claiming.columns() == (["full", "empty"], [1, -1])


def test_a_pool_that_hears_nothing_looks_everywhere():
    planner = ClaimPlanner({"a": 2}, listens=False)
    answered(planner, reserved(planner))

    assert reserved(planner, everywhere=True).columns() == (["a"], [2])


def test_a_stopped_planner_claims_nothing():
    planner = ClaimPlanner({"a": 2})
    planner.stop()
    planner.wake_all()

    assert (planner.wanted, reserved(planner, everywhere=True).limits) == (0, {})


def test_a_claim_has_a_largest_size():
    planner = ClaimPlanner({"a": 2 * MOST_PER_CLAIM + 2})

    assert reserved(planner).limits == {"a": MOST_PER_CLAIM}


def test_half_of_many_slots_are_claimed_at_a_time():
    planner = ClaimPlanner({"many": 300, "few": 160})

    assert reserved(planner).limits == {"many": 150, "few": WORTH_A_CALL}
    assert reserved(planner, everywhere=True).limits == {"many": 150, "few": 60}


def ended(planner, queue, count):
    for _ in range(count):
        planner.slot_freed(queue)


def test_one_claim_is_enough_to_see_whether_there_is_anything():
    planner = ClaimPlanner({"many": 400})

    assert reserved(planner).limits == {"many": 200}
    assert planner.wanted == 0


def test_with_a_backlog_the_other_half_is_claimed_meanwhile():
    """While the claim of one half of the slots is under way."""
    planner = ClaimPlanner({"many": 400})
    answered(planner, reserved(planner), many=200)

    assert reserved(planner).limits == {"many": 200}
    ended(planner, "many", 200)
    assert planner.wanted == 200


def test_a_claim_that_brings_less_ends_the_backlog():
    """Although another claim is under way."""
    planner = ClaimPlanner({"many": 400})
    answered(planner, reserved(planner), many=200)
    first = reserved(planner)
    ended(planner, "many", 200)
    second = reserved(planner)

    answered(planner, first, many=10)
    assert planner.wanted == 0
    answered(planner, second, many=10)
    assert planner.wanted == 0


def test_word_that_came_between_two_claims_ends_with_the_second():
    planner = ClaimPlanner({"many": 400})
    first = reserved(planner)
    planner.wake("many")
    second = reserved(planner)

    planner.wake("many")
    answered(planner, first)
    assert planner.wanted == 200
    third = reserved(planner)
    answered(planner, second)
    answered(planner, third)
    assert planner.wanted == 0


def test_a_queue_that_is_not_ours_is_no_news():
    planner = ClaimPlanner({"a": 1})
    answered(planner, reserved(planner))
    planner.wake("b")

    assert planner.wanted == 0


def test_what_is_told_is_wanted_at_once_until_others_were_faster():
    planner = ClaimPlanner({"a": 2})
    answered(planner, reserved(planner))

    planner.notified("a", 1, now=0.0)
    planner.wake_due(now=0.0)

    assert planner.wanted == 2


def test_a_lazy_pool_wants_what_it_is_told_of_when_its_turn_comes():
    planner = lazy({"a": 2})
    planner.notified("a", 1, now=1.0)

    planner.wake_due(now=1.0)
    assert planner.wanted == 0
    planner.wake_due(now=1.0 + planner.next_wakeup_in(now=1.0))
    assert planner.wanted == 2


def test_a_poll_does_not_wait_for_a_turn_and_takes_it():
    planner = lazy({"a": 2})
    planner.notified("a", 1, now=1.0)
    planner.wake_all()

    assert reserved(planner).limits == {"a": 2}
    assert planner.next_wakeup_in(now=1.0) is None


def test_outcomes_look_into_a_queue_that_waits_for_its_turn():
    planner = lazy({"a": 2, "b": 1})
    planner.notified("a", 1, now=1.0)

    assert reserved(planner, everywhere=True).columns() == (["a", "b"], [2, -1])
    assert planner.next_wakeup_in(now=1.0) is None


def test_a_turn_that_comes_while_no_slot_is_free_is_taken_when_one_is():
    planner = lazy({"a": 1})
    planner.wake_all()
    answered(planner, reserved(planner), a=1)
    planner.wake("a")
    answered(planner, reserved(planner))
    planner.notified("a", 1, now=1.0)
    planner.wake_due(now=1.0 + LONGEST_DELAY_SECONDS)
    assert planner.wanted == 0

    planner.slot_freed("a")

    assert planner.wanted == 1


def test_a_turn_that_comes_during_a_claim_is_not_lost():
    planner = lazy({"a": 2})
    planner.wake_all()
    claiming = reserved(planner)
    planner.notified("a", 1, now=1.0)
    planner.wake_due(now=1.0 + LONGEST_DELAY_SECONDS)
    answered(planner, claiming)

    assert planner.wanted == 2


def test_a_lazy_pool_that_a_settle_brought_work_is_eager_again():
    planner = lazy({"a": 2})
    answered(planner, reserved(planner, everywhere=True), a=1)
    planner.notified("a", 1, now=1.0)

    assert planner.next_wakeup_in(now=1.0) == 0
