"""Deadlines, and how many children of a map may fail or have to complete: what is refused before insert."""

from __future__ import annotations

from datetime import timedelta

import pytest

from baton import Baton, InvalidOption, each, worker


@worker(name="limits work")
async def work(number: int) -> int:
    return number


WRONG_FOR_A_JOB = [
    ({"deadline": 0}, "that is past when it begins; give more than 0 seconds, or leave it out"),
    ({"deadline": timedelta(seconds=-5)}, "that is past when it begins"),
    ({"start_within": -1}, "that is past when it begins"),
    ({"deadline": "soon"}, "it must be a number of seconds or a timedelta"),
    ({"deadline": True}, "it must be a number of seconds or a timedelta"),
    ({"deadline": float("inf")}, "at most a hundred years"),
    ({"deadline": 5, "schedule_in": 5}, "it is past before the step may start, schedule_in=5 s after its release"),
    ({"start_within": 4, "schedule_in": 5}, "both count from the release"),
    ({"deadline": 10, "start_within": 20}, "the deadline of 10 s comes first"),
    ({"tolerate": 1}, "no argument of this job is each(...), so it has no children"),
    ({"needs": 1}, "no argument of this job is each(...), so it has no children"),
]


@pytest.mark.parametrize(("options", "sentence"), WRONG_FOR_A_JOB)
def test_what_cannot_be_kept_is_refused_where_it_is_written(options, sentence):
    with pytest.raises(InvalidOption) as refused:
        work.new(1).with_options(**options)

    assert sentence in str(refused.value)


WRONG_FOR_A_MAP = [
    ({"tolerate": -1}, 'or a share such as "10%"'),
    ({"tolerate": 1.5}, 'or a share such as "10%"'),
    ({"tolerate": True}, 'or a share such as "10%"'),
    ({"tolerate": "ten"}, 'a share is written as in "10%", and is at most 100%'),
    ({"tolerate": "101%"}, "is at most 100%"),
    ({"tolerate": "-1%"}, "is at most 100%"),
    ({"needs": 0}, "it must be between 1"),
    ({"needs": "2"}, "it must be an integer"),
    ({"tolerate": 1, "needs": 2}, "give one of the two"),
]


@pytest.mark.parametrize(("options", "sentence"), WRONG_FOR_A_MAP)
def test_what_a_map_cannot_count_is_refused_where_it_is_written(options, sentence):
    with pytest.raises(InvalidOption) as refused:
        work.new(each([1, 2])).with_options(**options)

    assert sentence in str(refused.value)


@pytest.mark.parametrize("deadline", [0, -1, timedelta(0)])
def test_a_workflow_whose_deadline_is_past_is_refused(deadline):
    with pytest.raises(InvalidOption, match="that is past when it begins"):
        Baton.new(deadline=deadline)


def test_whether_a_workflow_fails_fast_is_yes_or_no():
    with pytest.raises(InvalidOption, match="it must be True or False"):
        Baton.new(fail_fast="yes")


def test_what_bounds_a_workflow_is_part_of_its_fingerprint():
    """A workflow without bounds has the fingerprint that it had before there were any."""
    plain = Baton.new(workflow_id="w").add("a", work.new(1))
    given = [Baton.new(workflow_id="w", fail_fast=True), Baton.new(workflow_id="w", deadline=5)]

    found = {one.add("a", work.new(1)).spec().fingerprint for one in given}

    assert len(found | {plain.spec().fingerprint}) == 3
    unbounded = Baton.new(workflow_id="w", fail_fast=False, deadline=None).add("a", work.new(1))
    assert unbounded.spec().fingerprint == plain.spec().fingerprint
