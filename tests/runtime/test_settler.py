"""Outcomes on their way: which leave together, which are isolated, and how these are split."""

from __future__ import annotations

from uuid import UUID

import pytest

from baton.core.outcome import Outcome
from baton.core.step_ids import STEP_BITS
from baton.database.failures import Failure
from baton.database.messages import Settlement
from baton.runtime.settler import MOST_PER_CALL, Settler


def outcome(workflow, step=0):
    return Settlement((workflow << STEP_BITS) + step, UUID(int=step), Outcome("completed", "1"))


def isolated(settler):
    """Take all isolated batches."""
    taken = []
    while settler.has_isolated:
        taken.append(list(settler.take_isolated()))
    return taken


def split(settler, outcomes, failure):
    settler.split(outcomes, failure, ValueError("no"))


def test_what_arrives_leaves_together_in_order():
    settler = Settler()
    outcomes = [outcome(workflow) for workflow in (3, 1, 2)]
    for one in outcomes:
        settler.put(one)

    assert (len(settler), settler.take(), len(settler)) == (3, outcomes, 0)


def test_a_call_has_a_largest_size():
    settler = Settler()
    for step in range(MOST_PER_CALL + 1):
        settler.put(outcome(1, step))

    assert [len(settler.take()), len(settler.take())] == [MOST_PER_CALL, 1]


def test_an_unstorable_batch_is_halved_until_the_bad_one_is_alone():
    settler, bad = Settler(), outcome(1, 5)
    split(settler, [outcome(1, step) for step in range(8)], Failure.DATA)
    landed, replaced = [], []
    while settler.has_isolated:
        batch = settler.take_isolated()
        if bad in batch:
            split(settler, batch, Failure.DATA)
        elif batch[0].outcome.kind == "failed":
            replaced += batch
        else:
            landed += batch

    assert sorted(one.token.int for one in landed) == [0, 1, 2, 3, 4, 6, 7]
    (instead,) = replaced
    assert (instead.step_id, instead.token) == (bad.step_id, bad.token)
    assert instead.outcome == Outcome("failed", "the outcome of this attempt could not be stored: ValueError")


def test_a_batch_that_met_a_lock_is_split_by_workflow():
    settler = Settler()
    batch = [outcome(2, 1), outcome(1, 1), outcome(2, 2), outcome(1, 2)]
    split(settler, batch, Failure.LOCKED)

    assert isolated(settler) == [[batch[1], batch[3]], [batch[0], batch[2]]]


def test_outcomes_of_a_locked_workflow_are_sent_in_a_batch_of_their_own():
    """Until it is settled."""
    settler = Settler()
    split(settler, [outcome(1, 1)], Failure.LOCKED)
    for step in (2, 3):
        settler.put(outcome(1, step))
    settler.put(outcome(2))
    assert settler.take() == [outcome(2)]
    (batch,) = isolated(settler)
    assert batch == [outcome(1, 1), outcome(1, 2), outcome(1, 3)]

    settler.settled(batch)
    settler.put(outcome(1, 4))

    assert settler.take() == [outcome(1, 4)]


@pytest.mark.parametrize("failure", [Failure.TRANSIENT, Failure.PERMANENT])
def test_after_any_other_failure_the_batch_is_sent_again_as_it_was(failure):
    settler = Settler()
    batch = [outcome(1), outcome(2)]
    split(settler, batch, failure)

    assert isolated(settler) == [batch]


@pytest.mark.parametrize("failure", [Failure.DATA, Failure.PERMANENT])
def test_an_outcome_of_a_call_that_failed_is_sent_by_itself_unchanged(failure):
    """The claim in the same call may be the reason."""
    settler = Settler()
    settler.isolate([outcome(1)], failure)

    assert isolated(settler) == [[outcome(1)]]


def test_outcomes_of_a_call_that_met_a_lock_are_split_by_workflow():
    settler = Settler()
    settler.isolate([outcome(2), outcome(1)], Failure.LOCKED)

    assert isolated(settler) == [[outcome(1)], [outcome(2)]]
