"""The comparison of a run with the rules notices each thing that is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.model.checking import Observed, over_limit, violations
from tests.model.plan import CANCELLED_BY_TEST, DEFAULTS, Cancellation, Flags, Plan, StepPlan, given_to, value_of
from tests.model.sample_records import SampleRecord, at, made

IGNORING = Flags(cancelled=True, discarded=True, skipped=True)
PAIR = Plan("pair", (StepPlan("a", acts=("raise", "return")), StepPlan("b", left="a")))


def started_and_ended(step, act, attempt=1, **given):
    facts = {"workflow": "w", "step": step, "attempt": attempt, "queue": "default", "pool": 1}
    given = {**DEFAULTS, "seen": {}, **given}
    return [facts | {"event": "start", "given": given}, facts | {"event": "end", "act": act}]


def well_run() -> Observed:
    """The workflow PAIR as it must end."""
    a = value_of("a", "digest", given_to(PAIR.by_name["a"], {}))
    given = given_to(PAIR.by_name["b"], {"a": a})
    error = {"attempt": 1, "kind": "failed", "error": "Boom: a fails in attempt 1"}
    return Observed(
        PAIR,
        "completed",
        made(
            SampleRecord("a", "completed", at(2), attempt=2, attempted_at=at(1), result=a, errors=[error]),
            SampleRecord(
                "b",
                "completed",
                at(4),
                attempt=1,
                attempted_at=at(3),
                result=value_of("b", "digest", given),
                dependencies=["a"],
            ),
        ),
        [
            *started_and_ended("a", "raise"),
            *started_and_ended("a", "return", attempt=2),
            *started_and_ended("b", "return", **given),
        ],
    )


def with_record(observed: Observed, name: str, **changes: Any) -> Observed:
    return replace(observed, records={**observed.records, name: replace(observed.records[name], **changes)})


def test_a_workflow_that_is_as_it_must_be_has_no_violation():
    assert violations(well_run()) == []


@pytest.mark.parametrize(
    ("changes", "noticed"),
    [
        ({"state": "executing", "finished_at": None}, "is executing, which is not final"),
        ({"state": "skipped", "result": None}, "by what it does it is completed"),
        ({"result": "another"}, "it returned"),
        ({"result": None}, "has the result None"),
        ({"attempt": 2}, "has 2 attempts, it takes 1"),
        ({"errors": [{"attempt": 1, "kind": "failed", "error": "b"}]}, "has errors of [1]"),
        ({"errors": [{"attempt": 1, "kind": "lost", "error": "b"}]}, "lost its attempts [1]"),
        ({"attempted_at": at(1.5)}, "when its dependencies let it"),
        ({"finished_at": at(2.5)}, "after its end"),
        ({"pending": 1}, "still waits for 1"),
        ({"queue": "other"}, "is in queue 'other'"),
        ({"dependencies": []}, "has the dependencies []"),
        ({"reason": "why"}, "is completed and has the reason 'why'"),
    ],
)
def test_a_wrong_record_is_noticed(changes, noticed):
    assert any(noticed in wrong for wrong in violations(with_record(well_run(), "b", **changes)))


@pytest.mark.parametrize(
    ("order", "noticed"),
    [
        ([0, 1, 2, 3, 4, 5, 4, 5], "did ['return', 'return'], it was to do ['return']"),
        ([0, 1, 2, 3], "did [], it was to do ['return']"),
        ([0, 1, 2, 4, 3, 5], "started before the end of its dependency 'a'"),
        ([4, 5, 0, 1, 2, 3], "started before the start of its dependency 'a'"),
        ([2, 3, 4, 5], "did ['return'], it was to do ['raise', 'return']"),
    ],
)
def test_a_wrong_call_is_noticed(order, noticed):
    observed = well_run()

    wrong = violations(replace(observed, events=[observed.events[n] for n in order]))

    assert any(noticed in line for line in wrong)


def test_a_step_that_was_given_something_else_is_noticed():
    observed = well_run()
    events = [*observed.events[:4], *started_and_ended("b", "return", left=None, seen={"a": None})]

    assert any("was given" in wrong for wrong in violations(replace(observed, events=events)))


def test_a_wrong_state_of_the_workflow_is_noticed():
    [wrong] = violations(replace(well_run(), state="failed"))

    assert wrong.startswith("the workflow is failed, by its steps it is completed")


def test_a_lost_attempt_and_a_second_call_are_excused_after_a_kill():
    observed = replace(well_run(), losses_are_allowed=True)
    lost = [{"attempt": 1, "kind": "lost", "error": "the worker pool that ran it was lost"}]
    again = replace(observed, events=[*observed.events[:4], *observed.events[4:], *observed.events[4:]])

    assert violations(again) == []
    assert violations(with_record(again, "b", attempt=2, errors=lost)) == []


SKIPPED = Plan("skipped", (StepPlan("a", acts=("skip",)), StepPlan("b", deps=("a",)), StepPlan("c", deps=("b",))))


def well_skipped() -> Observed:
    reason = "step 'a' upstream was skipped: a says skipped"
    return Observed(
        SKIPPED,
        "completed",
        made(
            SampleRecord("a", "skipped", at(1), attempt=1, attempted_at=at(0), reason="a says skipped"),
            SampleRecord("b", "skipped", at(1), reason=reason, dependencies=["a"]),
            SampleRecord("c", "skipped", at(1), reason=reason, dependencies=["b"]),
        ),
        started_and_ended("a", "skip"),
    )


def test_a_cascade_that_is_as_it_must_be_has_no_violation():
    assert violations(well_skipped()) == []


@pytest.mark.parametrize(
    ("changes", "noticed"),
    [
        ({"state": "cancelled"}, "it must be skipped"),
        ({"state": "completed", "reason": None}, "it must be skipped"),
        ({"finished_at": at(1.001)}, "not in the transaction of"),
        ({"reason": None}, "names no step that decided"),
        ({"reason": "step 'x' upstream was skipped"}, "names no step that decided"),
        ({"attempt": 1, "attempted_at": at(0.5)}, "never was to run and has attempt 1"),
    ],
)
def test_a_step_that_was_to_end_with_its_dependency_and_did_not_is_noticed(changes, noticed):
    assert any(noticed in wrong for wrong in violations(with_record(well_skipped(), "c", **changes)))


def test_a_step_that_ran_and_was_not_to_is_noticed():
    observed = well_skipped()
    events = [*observed.events, *started_and_ended("c", "return")]

    assert any("never was to run and ran" in wrong for wrong in violations(replace(observed, events=events)))


def well_cancelled(names: frozenset[str] | None = frozenset({"a", "b"})) -> Observed:
    """One step hangs, and the test cancels it together with one that has not begun."""
    steps = (StepPlan("a", acts=("hang",)), StepPlan("b", flags=IGNORING, deps=("a",)), StepPlan("c", acts=("skip",)))
    return Observed(
        Plan("cancelled", steps, cancellation=Cancellation("a", names)),
        "failed" if names else "cancelled",
        made(
            SampleRecord("a", "cancelled", at(2), attempt=1, attempted_at=at(0), reason=CANCELLED_BY_TEST),
            SampleRecord("b", "cancelled", at(2), reason=CANCELLED_BY_TEST, dependencies=["a"]),
            SampleRecord("c", "skipped", at(1), attempt=1, attempted_at=at(0), reason="c says skipped"),
        ),
        [*started_and_ended("a", "stopped"), *started_and_ended("c", "skip")],
    )


@pytest.mark.parametrize("names", [frozenset({"a", "b"}), None])
def test_a_cancellation_by_the_test_as_it_must_be_has_no_violation(names):
    assert violations(well_cancelled(names)) == []


@pytest.mark.parametrize(
    ("name", "changes", "noticed"),
    [
        ("b", {"finished_at": at(3)}, "not in the transaction of the others"),
        ("b", {"attempt": 2}, "has 2 attempts, it takes 1"),
        ("c", {"state": "cancelled", "reason": CANCELLED_BY_TEST}, "and the test did not do that"),
        ("b", {"state": "completed", "reason": None, "finished_at": at(4)}, "the test should have cancelled it"),
    ],
)
def test_a_wrong_cancellation_is_noticed(name, changes, noticed):
    assert any(noticed in wrong for wrong in violations(with_record(well_cancelled(), name, **changes)))


def test_a_pool_that_runs_more_of_a_queue_than_its_limit_is_noticed():
    start, end = started_and_ended("a", "return")
    hidden = [event | {"pool": None} for event in (start, start, start)]

    assert over_limit([start, start, end, start, end, end, *hidden], {"default": 2}) == []
    assert over_limit([start, start, start], {"default": 2}) == [
        "pool of process 1 ran 3 steps of queue 'default' at once, its limit is 2"
    ]


def test_after_losses_a_cancellation_may_find_the_hanging_step_ended():
    lost = {"attempt": 1, "kind": "lost", "error": "the worker pool was lost"}
    steps = (StepPlan("a", acts=("hang",), max_attempts=1), StepPlan("b", acts=("return",), flags=IGNORING))
    observed = Observed(
        Plan("cancelled", steps, cancellation=Cancellation("a", frozenset({"a", "b"}))),
        "failed",
        made(
            SampleRecord("a", "discarded", at(1), attempt=1, attempted_at=at(0), reason=lost["error"], errors=[lost]),
            SampleRecord("b", "cancelled", at(2), reason=CANCELLED_BY_TEST),
        ),
        [],
        losses_are_allowed=True,
    )

    assert violations(observed) == []
    assert violations(replace(observed, losses_are_allowed=False)) != []
