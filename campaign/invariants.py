"""The invariants of one workflow that has ended, in five groups.

`campaign.audit` checks what must hold in the database as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from campaign.hooks import mark
from campaign.ledger import FINAL_KINDS, StepFacts
from campaign.records import StepRecord
from tests.model.checking import Observed, violations
from tests.model.group_plan import GroupPlan
from tests.model.group_rules import ABSENT, Prediction
from tests.model.plan import Plan

CLOCK_SECONDS = 0.002
"""The server and the processes read the same clock, but not at the same instant."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A workflow that has ended, with its plan and all that was recorded of it."""

    plan: Plan | GroupPlan
    state: str
    records: Mapping[str, StepRecord]
    facts: Mapping[int, StepFacts]
    events: Sequence[Mapping[str, Any]]

    def facts_of(self, record: StepRecord) -> StepFacts:
        return self.facts.get(record.id) or StepFacts()


def broken(ended: Ended) -> list[str]:
    """Return what is not as promised, each in a sentence; empty if all is well."""
    found = [*_of_the_model(ended)]
    for record in ended.records.values():
        if record.grouping is not None:
            continue  # a group does not run
        facts = ended.facts_of(record)
        wrong = [
            *_of_completion(record, facts),
            *_of_order(ended, record, facts),
            *_of_attempts(record, facts),
            *_of_acceptance(record, facts),
        ]
        found += [f"step {record.name!r} (id {record.id}): {what}" for what in wrong]
    return found


def committed_without_an_answer(record: StepRecord, facts: StepFacts) -> int:
    """Return how many outcomes without an answer had committed: the step ended before the call failed, so it was
    not ended by a call that was sent again."""
    if record.finished_at is None:
        return 0
    ended_at = record.finished_at.timestamp()
    return sum(one.token == record.token and ended_at < one.at for one in facts.unknown)


def _of_completion(record: StepRecord, facts: StepFacts) -> Iterator[str]:
    """1: one accepted completion at most, exactly one if completed; the result is that of the stored token, which is
    in the log."""
    tokens = {token for token, kinds in facts.accepted.items() if kinds & FINAL_KINDS}
    if len(tokens) > 1:
        yield f"final outcomes were accepted under {len(tokens)} tokens: {sorted(tokens)}"
    if record.state != "completed":
        return
    if record.outcome != "completed" or record.token is None:
        yield f"completed, and its last accepted outcome is {record.outcome}"
        return
    if not tokens <= {record.token}:
        yield f"completed under {record.token}, and accepted were outcomes under {sorted(tokens)}"
    end = facts.ends.get(record.token)
    if end is None or end.kind != "completed":
        yield f"completed under {record.token}, and the log says of that: {end}"
    if record.result_text is None or not record.result_text.endswith(mark(UUID(record.token))):
        yield f"its result is not the one that was returned under its token {record.token}"


def _of_order(ended: Ended, record: StepRecord, facts: StepFacts) -> Iterator[str]:
    """2: no start before the outcome of each dependency was accepted."""
    for name in record.dependencies:
        dependency = ended.records[name]
        if dependency.finished_at is None:
            continue
        ended_at = dependency.finished_at.timestamp()
        written = ended.facts_of(dependency).ends.get(dependency.token or "")
        for start in facts.starts:
            if start.at + CLOCK_SECONDS < ended_at:
                yield f"started at {start.at:.3f}, its dependency {name!r} ended at {ended_at:.3f}"
            if dependency.state == "completed" and written is not None and start.line < written.line:
                yield f"started before its dependency {name!r} had returned what was accepted"


def _of_attempts(record: StepRecord, facts: StepFacts) -> Iterator[str]:
    """3: never more starts than attempts, but for those that were given back. A snooze and a round begin the
    count anew."""
    begun_anew = sum(end.kind in ("snoozed", "again") for end in facts.ends.values())
    spent = Counter(
        start.attempt
        for start in facts.starts
        if (end := facts.ends.get(start.token)) is None or end.kind not in ("snoozed", "again", "given_back")
    )
    if spent.total() > record.max_attempts * (1 + begun_anew):
        yield f"started {spent.total()} times, at most {record.max_attempts} attempts in a row are allowed"
    for attempt, count in spent.items():
        if not 1 <= attempt <= record.max_attempts:
            yield f"was started for attempt {attempt} of {record.max_attempts}"
        if count > 1 + begun_anew:
            yield f"was started {count} times for attempt {attempt}, which was not given back"


def _of_the_model(ended: Ended) -> list[str]:
    """4: every step ended as the rules allow, given how its dependencies ended, and when."""
    if isinstance(ended.plan, GroupPlan):
        return [f"by the model of groups: {line}" for line in _of_groups(ended, ended.plan)]
    observed = Observed(ended.plan, ended.state, ended.records, ended.events, losses_are_allowed=True)
    return [f"by the model of the rules: {line}" for line in violations(observed)]


def _of_groups(ended: Ended, plan: GroupPlan) -> Iterator[str]:
    """Every step that must exist exists, and ended as the rules say; the results of groups are in what others read."""
    records = ended.records
    try:
        prediction = Prediction(
            plan,
            {one.name: one.finished_at for one in records.values() if one.finished_at is not None},
            began={one.name for one in records.values() if one.attempted_at is not None},
        )
    except KeyError as error:
        yield f"there is no step {error}, or it has not ended"
        return
    steps = prediction.steps()
    if steps.keys() != records.keys():
        yield f"steps are missing: {sorted(steps.keys() - records.keys())}"
        yield f"steps should not exist: {sorted(records.keys() - steps.keys())}"
        return
    for name, step in steps.items():
        record = records[name]
        if record.state != step.state:
            yield f"step {name!r} is {record.state}, and should be {step.state}"
        elif record.grouping is None and step.result is not ABSENT and record.result != step.result:
            yield f"step {name!r} has the result {record.result_text}, and should have {step.result}"
    if ended.state != prediction.state():
        yield f"the workflow is {ended.state}, and should be {prediction.state()}"


def _of_acceptance(record: StepRecord, facts: StepFacts) -> Iterator[str]:
    """5: what a call reported as accepted is there, and what was refused is not."""
    attempts = {start.token: start.attempt for start in facts.starts}
    failed = {error["attempt"] for error in record.errors if error["kind"] == "failed"}
    for token, kinds in facts.accepted.items():
        final = kinds & FINAL_KINDS
        if final and (record.token, record.outcome) != (token, *final):
            yield f"{sorted(final)} was accepted under {token}; stored is {record.outcome} under {record.token}"
        if "failed" in kinds and token in attempts and attempts[token] not in failed:
            yield f"the failure of attempt {attempts[token]} was accepted, and is not among its errors"
    for token, kinds in facts.refused.items():
        if token == record.token and record.outcome in kinds:
            yield f"{record.outcome} under {token} was refused, and is stored"
