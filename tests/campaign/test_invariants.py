"""The campaign's invariants notice what they check, on sample records and logs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from campaign.hooks import mark
from campaign.invariants import Ended, broken, committed_without_an_answer
from campaign.ledger import Ledger, StepFacts, Unknown
from campaign.records import StepRecord
from campaign.tally import Tally
from tests.effects import Effects
from tests.model.plan import Plan, StepPlan, given_to, value_of
from tests.model.sample_records import at

FIRST, SECOND, OTHER = uuid4(), uuid4(), uuid4()
STEPS = (StepPlan("a", max_attempts=2), StepPlan("b", deps=("a",), max_attempts=2))
RESULTS = {"a": value_of("a", "digest", given_to(STEPS[0], {}))}
RESULTS["b"] = value_of("b", "digest", given_to(STEPS[1], {"a": RESULTS["a"]}))


def record(ordinal: int, token: UUID, **changes: Any) -> StepRecord:
    """A completed step; `a` runs from second 0 to 1, `b`, which waits for it, from 2 to 3."""
    name = "ab"[ordinal]
    completed = StepRecord(
        id=ordinal,
        name=name,
        state="completed",
        queue="default",
        attempt=1,
        max_attempts=2,
        pending=0,
        dependencies=["a"] if ordinal else [],
        result_text=json.dumps(RESULTS[name]) + mark(token),
        reason=None,
        errors=[],
        pool=1,
        attempted_at=at(2 * ordinal),
        finished_at=at(2 * ordinal + 1),
        token=token.hex,
        outcome="completed",
    )
    return replace(completed, **changes)


def start(ordinal: int, token: UUID, *, attempt: int = 1, second: float | None = None) -> dict[str, Any]:
    moment = at(2 * ordinal if second is None else second).timestamp()
    return {"event": "run", "id": ordinal, "attempt": attempt, "token": token.hex, "at": moment}


def end(ordinal: int, token: UUID, kind: str = "completed") -> dict[str, Any]:
    return {"event": "ran", "id": ordinal, "token": token.hex, "kind": kind}


def answered(ordinal: int, token: UUID, kind: str = "completed", *, accepted: bool = True) -> dict[str, Any]:
    return {"event": "answered", "outcomes": [[ordinal, token.hex, kind, accepted]]}


def called(ordinal: int) -> list[dict[str, Any]]:
    given = given_to(STEPS[ordinal], {"a": RESULTS["a"]} if ordinal else {})
    facts = {"workflow": "w", "step": "ab"[ordinal], "attempt": 1, "queue": "default", "pool": 1}
    return [facts | {"event": "start", "given": given}, facts | {"event": "end", "act": "return"}]


A, B = [start(0, FIRST), end(0, FIRST), answered(0, FIRST)], [start(1, SECOND), end(1, SECOND), answered(1, SECOND)]


@pytest.fixture
def broken_in(effects: Effects) -> Callable[..., list[str]]:
    """Return what is broken in a workflow with this log."""

    def broken_for(lines: list[dict[str, Any]], first: StepRecord | None = None) -> list[str]:
        for line in [*lines, *called(0), *called(1)]:
            effects.write(**line)
        ledger = Ledger(effects.path, Tally())
        ledger.follow()
        records = {"a": first or record(0, FIRST), "b": record(1, SECOND)}
        return broken(Ended(Plan("w", STEPS), "completed", records, ledger.steps, ledger.events["w"]))

    return broken_for


def test_a_workflow_that_went_well_breaks_nothing(broken_in):
    assert broken_in([*A, *B]) == []


def test_a_kill_between_a_commit_and_its_answer_breaks_nothing(broken_in):
    assert broken_in([*A[:2], *B]) == []


@pytest.mark.parametrize(
    ("lines", "noticed"),
    [
        ([*A, answered(0, OTHER), *B], "final outcomes were accepted under 2 tokens"),
        ([A[0], A[2], *B], "and the log says of that: None"),
        ([A[0], end(0, FIRST, "failed"), *B], "and the log says of that: End(kind='failed'"),
        ([start(1, OTHER, second=0.5), end(1, OTHER, "stopped"), *A, *B], "its dependency 'a' ended at"),
        ([B[0], *A, *B[1:]], "started before its dependency 'a' had returned"),
        ([start(0, OTHER), *A, *B], "was started 2 times for attempt 1, which was not given back"),
        ([*[start(0, uuid4(), attempt=n) for n in (1, 2)], *A, *B], "started 3 times, at most 2 attempts in a row"),
        ([start(0, OTHER, attempt=3), *A, *B], "was started for attempt 3 of 2"),
        ([*A, answered(0, OTHER, "skipped"), *B], "['skipped'] was accepted under"),
        ([*A, start(0, OTHER, attempt=2), answered(0, OTHER, "failed"), *B], "failure of attempt 2 was accepted"),
        ([*A[:2], answered(0, FIRST, accepted=False), *B], "was refused, and is stored"),
    ],
)
def test_a_log_that_contradicts_the_records_is_noticed(broken_in, lines, noticed):
    assert any(noticed in line for line in broken_in(lines))


@pytest.mark.parametrize("kind", ["snoozed", "given_back"])
def test_an_attempt_that_was_not_spent_may_start_again(broken_in, kind):
    assert broken_in([start(0, OTHER), end(0, OTHER, kind), *A, *B]) == []


def test_a_result_of_another_token_than_the_stored_one_is_noticed(broken_in):
    stale = record(0, FIRST, result_text=json.dumps(RESULTS["a"]) + mark(OTHER))

    assert any("is not the one that was returned under its token" in line for line in broken_in([*A, *B], stale))


def test_a_result_that_no_step_returns_is_noticed(broken_in):
    wrong = record(0, FIRST, result_text='"wrong"' + mark(FIRST))

    assert any("has the result 'wrong'" in line for line in broken_in([*A, *B], wrong))


@pytest.mark.parametrize(("after", "committed"), [(0.1, 1), (-0.1, 0)])
def test_an_outcome_older_than_the_failure_of_its_call_had_committed(after, committed):
    """An outcome whose call failed without an answer."""
    failed_at = (at(1) + timedelta(seconds=after)).timestamp()
    facts = StepFacts(unknown=[Unknown(FIRST.hex, "completed", failed_at)])

    assert committed_without_an_answer(record(0, FIRST), facts) == committed


def test_a_token_that_takes_more_than_its_limit_is_noticed(effects):
    for ids in ([1, 2], [2, 3]):
        effects.write(event="claimed", token="t", ids=ids, limit=2)
    ledger = Ledger(effects.path, Tally())

    ledger.follow()

    assert ledger.faults == ["the token t took 3 steps, and its limit is 2"]


def test_later_events_of_a_verified_step_are_noticed(effects):
    ledger = Ledger(effects.path, Tally())
    ledger.forget("w", {0: FIRST.hex})
    for line in (answered(0, FIRST), answered(0, OTHER, accepted=False), answered(0, OTHER), start(0, OTHER)):
        effects.write(**line)

    ledger.follow()

    assert len(ledger.faults) == 2


def test_a_fault_that_did_not_happen_is_named():
    tally = Tally()
    tally.add("SIGKILLs", 2)

    assert tally.missing({"SIGKILLs": 2}) == []
    assert tally.missing({"SIGKILLs": 3}) == ["only 2 SIGKILLs; this campaign needs at least 3"]
