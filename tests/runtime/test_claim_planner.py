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


def backed_off(limits):
    """The planner of a pool that has backed off in each of its queues, with the last position among many pools."""
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


def test_a_notification_during_the_claim_of_its_queue_is_not_lost():
    planner = ClaimPlanner({"a": 2})
    claiming = reserved(planner)
    planner.wake("a")
    answered(planner, claiming)

    assert planner.wanted == 2


def test_a_call_with_outcomes_claims_for_every_free_slot():
    planner = ClaimPlanner({"a": 2, "b": 1})
    answered(planner, reserved(planner))

    assert reserved(planner, everywhere=True).limits == {"a": 2, "b": 1}


def test_an_empty_queue_is_asked_only_for_what_outcomes_release():
    planner = ClaimPlanner({"full": 2, "empty": 1})
    answered(planner, reserved(planner), full=2)
    planner.slot_freed("full")

    claiming = reserved(planner, everywhere=True)

    assert claiming.seen_empty == {"empty"}
    assert claiming.columns() == (["full", "empty"], [1, -1])


def test_a_pool_without_notifications_claims_from_every_queue():
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


def test_a_notification_between_two_claims_ends_with_the_second():
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


def test_a_notification_of_another_queue_is_ignored():
    planner = ClaimPlanner({"a": 1})
    answered(planner, reserved(planner))
    planner.wake("b")

    assert planner.wanted == 0


def test_a_notified_queue_is_claimed_from_at_once_before_a_back_off():
    planner = ClaimPlanner({"a": 2})
    answered(planner, reserved(planner))

    planner.notified("a", 1, now=0.0)
    planner.wake_due(now=0.0)

    assert planner.wanted == 2


def test_a_pool_that_backed_off_claims_at_its_wakeup():
    planner = backed_off({"a": 2})
    planner.notified("a", 1, now=1.0)

    planner.wake_due(now=1.0)
    assert planner.wanted == 0
    planner.wake_due(now=1.0 + planner.next_wakeup_in(now=1.0))
    assert planner.wanted == 2


def test_a_poll_does_not_wait_for_a_wakeup_and_cancels_it():
    planner = backed_off({"a": 2})
    planner.notified("a", 1, now=1.0)
    planner.wake_all()

    assert reserved(planner).limits == {"a": 2}
    assert planner.next_wakeup_in(now=1.0) is None


def test_a_call_with_outcomes_claims_from_a_queue_with_a_wakeup():
    planner = backed_off({"a": 2, "b": 1})
    planner.notified("a", 1, now=1.0)

    assert reserved(planner, everywhere=True).columns() == (["a", "b"], [2, -1])
    assert planner.next_wakeup_in(now=1.0) is None


def test_a_wakeup_without_a_free_slot_is_taken_when_one_is_free():
    planner = backed_off({"a": 1})
    planner.wake_all()
    answered(planner, reserved(planner), a=1)
    planner.wake("a")
    answered(planner, reserved(planner))
    planner.notified("a", 1, now=1.0)
    planner.wake_due(now=1.0 + LONGEST_DELAY_SECONDS)
    assert planner.wanted == 0

    planner.slot_freed("a")

    assert planner.wanted == 1


def test_a_wakeup_during_a_claim_is_not_lost():
    planner = backed_off({"a": 2})
    planner.wake_all()
    claiming = reserved(planner)
    planner.notified("a", 1, now=1.0)
    planner.wake_due(now=1.0 + LONGEST_DELAY_SECONDS)
    answered(planner, claiming)

    assert planner.wanted == 2


def test_work_claimed_with_a_settle_ends_the_back_off():
    planner = backed_off({"a": 2})
    answered(planner, reserved(planner, everywhere=True), a=1)
    planner.notified("a", 1, now=1.0)

    assert planner.next_wakeup_in(now=1.0) == 0
