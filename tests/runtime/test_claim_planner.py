"""What a pool claims: its free slots, where there may be work."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from baton.runtime.claim_planner import MOST_PER_CLAIM, WORTH_A_CALL, ClaimPlanner
from baton.runtime.wakeups import LONGEST_SECONDS, StaggeredWakeups


@dataclass
class Claim:
    queue: str


def reserved(producer, *, everywhere=False):
    return producer.reserve(uuid4(), everywhere=everywhere)


def answered(producer, claiming, **brought):
    producer.claimed(claiming, [Claim(queue) for queue, count in brought.items() for _ in range(count)])


def lazy(limits):
    """The producer of a pool that others were faster than in each of its queues; it has the last place in a crowd."""
    producer = ClaimPlanner(limits, turns=StaggeredWakeups(draw=lambda: 1.0))
    producer.counted([50] * len(limits))
    answered(producer, reserved(producer))
    for queue in limits:
        producer.told(queue, 1, now=0.0)
    producer.take_turns(now=0.0)
    answered(producer, reserved(producer))
    return producer


def test_at_first_every_slot_of_every_queue_is_wanted():
    producer = ClaimPlanner({"a": 2, "b": 3})

    assert producer.wanted == 5
    assert reserved(producer).limits == {"a": 2, "b": 3}
    assert producer.wanted == 0


def test_a_queue_that_gave_less_than_it_was_asked_for_is_left_alone_until_there_is_word_of_it():
    producer = ClaimPlanner({"a": 2})
    answered(producer, reserved(producer), a=1)
    assert producer.wanted == 0

    producer.look_at("a")

    assert reserved(producer).limits == {"a": 1}


def test_a_queue_that_gave_all_it_was_asked_for_is_asked_again_when_a_slot_is_free():
    producer = ClaimPlanner({"a": 2})
    answered(producer, reserved(producer), a=2)
    assert producer.wanted == 0

    producer.ended("a")

    assert producer.wanted == 1


def test_word_of_a_queue_during_its_claim_is_not_lost():
    producer = ClaimPlanner({"a": 2})
    claiming = reserved(producer)
    producer.look_at("a")
    answered(producer, claiming)

    assert producer.wanted == 2


def test_outcomes_take_every_free_slot_along():
    producer = ClaimPlanner({"a": 2, "b": 1})
    answered(producer, reserved(producer))

    assert reserved(producer, everywhere=True).limits == {"a": 2, "b": 1}


def test_of_a_queue_that_was_empty_only_what_outcomes_release_is_asked_for():
    producer = ClaimPlanner({"full": 2, "empty": 1})
    answered(producer, reserved(producer), full=2)
    producer.ended("full")

    claiming = reserved(producer, everywhere=True)

    assert claiming.seen_empty == {"empty"}
    assert claiming.columns() == (["full", "empty"], [1, -1])


def test_a_pool_that_hears_nothing_looks_everywhere():
    producer = ClaimPlanner({"a": 2}, hears=False)
    answered(producer, reserved(producer))

    assert reserved(producer, everywhere=True).columns() == (["a"], [2])


def test_a_stopped_producer_claims_nothing():
    producer = ClaimPlanner({"a": 2})
    producer.stop()
    producer.look_everywhere()

    assert (producer.wanted, reserved(producer, everywhere=True).limits) == (0, {})


def test_a_claim_has_a_largest_size():
    producer = ClaimPlanner({"a": 2 * MOST_PER_CLAIM + 2})

    assert reserved(producer).limits == {"a": MOST_PER_CLAIM}


def test_half_of_many_slots_are_claimed_at_a_time():
    producer = ClaimPlanner({"many": 300, "few": 160})

    assert reserved(producer).limits == {"many": 150, "few": WORTH_A_CALL}
    assert reserved(producer, everywhere=True).limits == {"many": 150, "few": 60}


def ended(producer, queue, count):
    for _ in range(count):
        producer.ended(queue)


def test_one_claim_is_enough_to_see_whether_there_is_anything():
    producer = ClaimPlanner({"many": 400})

    assert reserved(producer).limits == {"many": 200}
    assert producer.wanted == 0


def test_when_there_is_plenty_the_other_half_of_the_slots_is_wanted_while_one_is_claimed():
    producer = ClaimPlanner({"many": 400})
    answered(producer, reserved(producer), many=200)

    assert reserved(producer).limits == {"many": 200}
    ended(producer, "many", 200)
    assert producer.wanted == 200


def test_a_claim_that_brings_too_little_ends_the_search_for_more_although_another_is_under_way():
    producer = ClaimPlanner({"many": 400})
    answered(producer, reserved(producer), many=200)
    first = reserved(producer)
    ended(producer, "many", 200)
    second = reserved(producer)

    answered(producer, first, many=10)
    assert producer.wanted == 0
    answered(producer, second, many=10)
    assert producer.wanted == 0


def test_word_that_came_between_two_claims_ends_with_the_second():
    producer = ClaimPlanner({"many": 400})
    first = reserved(producer)
    producer.look_at("many")
    second = reserved(producer)

    producer.look_at("many")
    answered(producer, first)
    assert producer.wanted == 200
    third = reserved(producer)
    answered(producer, second)
    answered(producer, third)
    assert producer.wanted == 0


def test_a_queue_that_is_not_ours_is_no_news():
    producer = ClaimPlanner({"a": 1})
    answered(producer, reserved(producer))
    producer.look_at("b")

    assert producer.wanted == 0


def test_what_is_told_is_wanted_at_once_until_others_were_faster():
    producer = ClaimPlanner({"a": 2})
    answered(producer, reserved(producer))

    producer.told("a", 1, now=0.0)
    producer.take_turns(now=0.0)

    assert producer.wanted == 2


def test_a_lazy_pool_wants_what_it_is_told_of_when_its_turn_comes():
    producer = lazy({"a": 2})
    producer.told("a", 1, now=1.0)

    producer.take_turns(now=1.0)
    assert producer.wanted == 0
    producer.take_turns(now=1.0 + producer.next_turn_in(now=1.0))
    assert producer.wanted == 2


def test_a_poll_does_not_wait_for_a_turn_and_takes_it():
    producer = lazy({"a": 2})
    producer.told("a", 1, now=1.0)
    producer.look_everywhere()

    assert reserved(producer).limits == {"a": 2}
    assert producer.next_turn_in(now=1.0) is None


def test_outcomes_look_into_a_queue_that_waits_for_its_turn():
    producer = lazy({"a": 2, "b": 1})
    producer.told("a", 1, now=1.0)

    assert reserved(producer, everywhere=True).columns() == (["a", "b"], [2, -1])
    assert producer.next_turn_in(now=1.0) is None


def test_a_turn_that_comes_while_no_slot_is_free_is_taken_when_one_is():
    producer = lazy({"a": 1})
    producer.look_everywhere()
    answered(producer, reserved(producer), a=1)
    producer.look_at("a")
    answered(producer, reserved(producer))
    producer.told("a", 1, now=1.0)
    producer.take_turns(now=1.0 + LONGEST_SECONDS)
    assert producer.wanted == 0

    producer.ended("a")

    assert producer.wanted == 1


def test_a_turn_that_comes_during_a_claim_is_not_lost():
    producer = lazy({"a": 2})
    producer.look_everywhere()
    claiming = reserved(producer)
    producer.told("a", 1, now=1.0)
    producer.take_turns(now=1.0 + LONGEST_SECONDS)
    answered(producer, claiming)

    assert producer.wanted == 2


def test_a_lazy_pool_that_a_settle_brought_work_is_eager_again():
    producer = lazy({"a": 2})
    answered(producer, reserved(producer, everywhere=True), a=1)
    producer.told("a", 1, now=1.0)

    assert producer.next_turn_in(now=1.0) == 0
