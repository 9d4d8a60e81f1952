"""What a pool cannot do at the moment: kept until it succeeds, logged once, counted by part and by row."""

from __future__ import annotations

import pytest

from baton.database.messages import PassedOver
from baton.runtime import ongoing_failures
from baton.runtime.ongoing_failures import MOST_KEPT, MOST_REPORTED, OngoingFailures

ROW = PassedOver("step 'a' of workflow 'w'", "no (23514)")
OTHER = PassedOver("step 'b' of workflow 'w'", "no (23514)")


def logged(caplog, text):
    return [entry.message for entry in caplog.records if text in entry.message]


def test_at_first_nothing_fails():
    failures = OngoingFailures()
    failures.succeeded("rescue")

    assert (failures.sentences, failures.lasting(0)) == ((), [])


def test_a_part_that_fails_is_reported_until_it_succeeds():
    failures = OngoingFailures()
    failures.failed("prune", ValueError("no"))
    failures.succeeded("rescue")
    assert failures.sentences == ("prune fails: ValueError: no",)

    failures.succeeded("prune")

    assert failures.sentences == ()


def test_one_failure_is_not_lasting_however_long_ago_it_was():
    failures = OngoingFailures()
    failures.failed("prune", ValueError("no"))
    once = failures.lasting(0)
    failures.failed("prune", ValueError("no"))

    assert (once, failures.lasting(0)) == ([], ["prune fails: ValueError: no"])
    assert failures.lasting(60) == []


def test_a_row_that_is_passed_over_is_reported_and_is_not_lasting():
    failures = OngoingFailures()
    for _ in range(3):
        failures.succeeded("rescue", [ROW])

    assert failures.sentences == ("rescue passes over step 'a' of workflow 'w': no (23514)",)
    assert failures.lasting(0) == []


def test_a_row_that_is_passed_over_again_and_again_is_logged_once(caplog):
    failures = OngoingFailures()
    for _ in range(5):
        failures.succeeded("rescue", [ROW])

    assert logged(caplog, "rescue") == ["rescue passes over step 'a' of workflow 'w': no (23514); the others go on"]


def test_a_row_that_a_complete_round_does_not_pass_over_is_mended():
    failures = OngoingFailures()
    failures.succeeded("rescue", [ROW, OTHER])

    failures.succeeded("rescue", [OTHER])

    assert failures.sentences == ("rescue passes over step 'b' of workflow 'w': no (23514)",)


def test_a_row_that_an_incomplete_round_did_not_meet_is_kept():
    failures = OngoingFailures()
    failures.succeeded("prune", [ROW], is_complete=False)

    failures.succeeded("prune", is_complete=False)

    assert len(failures.sentences) == 1


def test_a_row_that_no_round_has_met_for_long_is_forgotten(monkeypatch):
    failures = OngoingFailures()
    failures.succeeded("prune", [ROW], is_complete=False)
    monkeypatch.setattr(ongoing_failures, "FORGET_SECONDS", -1.0)

    failures.succeeded("look")

    assert failures.sentences == ()


@pytest.mark.parametrize("many", [MOST_REPORTED, MOST_REPORTED + 1, 10 * MOST_KEPT])
def test_few_of_many_are_reported(many):
    failures = OngoingFailures()
    failures.succeeded("rescue", [PassedOver(f"step {n}", "no") for n in range(many)])

    assert len(failures.sentences) == min(many, MOST_REPORTED + 1)
    kept = min(many, MOST_KEPT)
    assert failures.sentences[-1] == (
        f"rescue passes over step {many - 1}: no" if many == MOST_REPORTED else f"and {kept - MOST_REPORTED} more"
    )
