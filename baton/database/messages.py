"""The arguments and the answers of the engine's functions, as frozen values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from baton.core.limits import INPUT_BYTES
from baton.core.outcome import Outcome


# One of these and one `Settlement` are made for every attempt, and a struct is made in a tenth of
# the time of a frozen dataclass. Neither can be part of a reference cycle, so the garbage collector
# may skip them.
class Claimed(Struct, frozen=True, gc=False):
    """A step that a pool has claimed for one attempt, with everything needed to run it."""

    token: UUID
    """Drawn by the pool for the call that claimed it; the outcome counts only under it."""
    # From here on in the order of sql/functions/claimed_steps.sql.
    step_id: int
    workflow_id: str
    workflow_name: str | None
    step: str
    queue: str
    worker: str
    args: str
    """A JSON object."""
    arg_refs: str | None
    """JSON: a list of [path, step name], where results belong in the arguments."""
    results: str | None
    """A JSON object: results by step name, of the dependencies the step reads and that have one. Or see
    `undeliverable`."""
    outcomes: str | None
    """A JSON object: [state, reason, children] of the same by step name, if its worker takes a context."""
    attempt: int
    """Counted by the claim; 1 during the first attempt."""
    max_attempts: int
    timeout: float | None
    """Seconds."""
    is_join: bool
    """It is a group whose children are final. No worker runs; the settle decides its outcome."""
    map: str | None
    """It is a map to be expanded. A JSON object: `each`, the parameters that get one item each, and more."""
    generation: int = 1
    """Raised each time the step was undone or began another round."""
    extras: str | None = None
    """A JSON object of what few claims carry: `backoff`, where the job was given one; where its worker takes a context,
    `meta` and `models`, those of the workflow, and `kept`, what an earlier attempt kept. None for none of these."""

    @property
    def undeliverable(self) -> str | None:
        """Why the results it reads cannot be delivered, so that it cannot run; None if they are here."""
        results = self.results
        return results[1:] if results is not None and results.startswith("!") else None


class Claim(Protocol):
    """A claimed attempt. An outcome counts only under its token."""

    @property
    def step_id(self) -> int: ...
    @property
    def token(self) -> UUID: ...


class AttemptRecord(Struct, frozen=True, gc=False):
    """What an attempt leaves besides its outcome: see sql/functions/write_records.sql."""

    step_id: int
    token: UUID
    attempt: int
    kind: str
    """Decides where it is written."""
    key: str
    number: int
    """The order within the attempt."""
    left_at: float
    """In the time of `monotonic`."""
    value: str
    """JSON."""


class Settlement(Struct, frozen=True, gc=False):
    """An attempt's outcome on its way to the database."""

    step_id: int
    token: UUID
    outcome: Outcome
    records: tuple[AttemptRecord, ...] = ()
    """What the attempt leaves besides, written in the same transaction."""


@dataclass(frozen=True, slots=True)
class NoRoom:
    """A budget in which there is no room for what an attempt is expected to use."""

    why: str
    is_final: bool
    """The step is to fail; else it waits."""
    seconds: float
    """After how long to ask again."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A row that a call of the engine could not change. The call went on with the others."""

    row: str
    """Which one, in words: `step 'a' of workflow 'w'`."""
    error: str


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """What to claim: at most this many steps of each queue, under this token."""

    token: UUID
    limits: dict[str, int]
    seen_empty: frozenset[str] = frozenset()
    """Queues that were empty a moment ago: only steps that the same call releases by its outcomes are claimed there."""
    input_bytes: int = INPUT_BYTES
    """How large the results may be that are delivered to one step."""
    memory: str | None = None
    """What earlier claims of the pool returned of queues with limits, as JSON; see sql/functions/claim_limited.sql."""

    def halved(self) -> ClaimRequest:
        """Return a request for half as many steps of each queue, but at least one."""
        return replace(self, limits={queue: max(1, limit // 2) for queue, limit in self.limits.items()})

    def columns(self) -> tuple[list[str], list[int]]:
        """Return queues and limits for sql/functions/claim_entries.sql; a negative limit marks a queue seen empty."""
        queues = list(self.limits)
        return queues, [-self.limits[queue] if queue in self.seen_empty else self.limits[queue] for queue in queues]


@dataclass(frozen=True, slots=True)
class FailedWorkflow:
    """A workflow that failed, and is final."""

    id: str
    name: str | None
    step: str | None
    """The first step that failed."""
    reason: str | None
    """Why it did."""


def read_failures(text: str | None) -> Sequence[FailedWorkflow]:
    """Return what sql/functions/failures_of.sql returned."""
    return () if text is None else [FailedWorkflow(*one) for one in json.loads(text)]


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer of one call of `settle`."""

    accepted: Sequence[bool]
    """One for each outcome sent, in order. False: another claim owns the step, and the outcome was ignored."""
    failures: Sequence[FailedWorkflow]
    """The workflows that failed by these outcomes. A repeated call does not return them again."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """The answer of one call of `advance`."""

    accepted: Sequence[bool]
    """As of `Settled`."""
    claimed: Sequence[Claimed]
    failures: Sequence[FailedWorkflow] = ()
    memory: str | None = None
    """What the next claim of queues with limits goes by, as JSON; None if no queue has any."""


@dataclass(frozen=True, slots=True)
class SeparateClaim:
    """The answer of `claim_separately`."""

    claimed: Sequence[Claimed]
    passed_over: Sequence[PassedOver]
    """Steps that could not be claimed."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of an expansion that one call writes: the steps from number `first` up to, not including, `end`."""

    base: int | None
    """What the call with the first part returned; None in that call."""
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Expanded:
    """The answer to a part of an expansion."""

    accepted: bool
    """False: another claim owns the step, or a name is unknown."""
    base: int | None
    """Ordinal of the first child; None if nothing was written: not accepted, too many, or accepted before."""
    too_many: int | None = None
    """How many steps the workflow would have, if that is beyond the limit."""
    unknown: Sequence[str] = ()
    """Names in a returned graph that are not dependencies of the step."""


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """The answer to a heartbeat."""

    is_alive: bool
    """False: the pool was marked dead, its steps were given to others, and it stays dead."""
    held: frozenset[tuple[int, UUID]]
    """The claims the database knows the pool to hold, as (step id, token)."""
    serving: Sequence[int]
    """How many living pools, this one included, serve each of its queues, in the order in which it registered them."""


@dataclass(frozen=True, slots=True)
class UpkeepDue:
    """What upkeep has to do."""

    deaths: bool
    """A lease ran out, or a pool died so long ago that it is to be forgotten."""
    orphans: bool
    """There are claimed entries that no living pool runs."""
    next_in: float | None
    """Seconds until the next entry is due, 0 if one is; None if none waits for a time."""
    next_schedule: float | None = None
    """Seconds until the next schedule is due, 0 if one is; None if there is none."""
    waits_in: float | None = None
    """Seconds until the next wait is over, 0 if one is; None if none has a time."""
    ends_in: float | None = None
    """Seconds until the next deadline, 0 if one has passed; None if there is none."""
    debug_age: float | None = None
    """How many seconds old the oldest debug record is; None if there is none."""


@dataclass(frozen=True, slots=True)
class Overdue:
    ended: int
    """Deadlines that had passed."""
    next_in: float | None
    """Seconds until the next one, 0 if one has passed; None if there is none."""
    passed_over: Sequence[PassedOver] = ()


@dataclass(frozen=True, slots=True)
class MarkedDead:
    died: int
    passed_over: Sequence[PassedOver] = ()


@dataclass(frozen=True, slots=True)
class Rescued:
    lost: int
    """Steps whose pool died: an attempt of each is spent."""
    given_back: int
    """Steps whose claim was never answered: no attempt is spent."""
    is_more: bool
    """It stopped at its limit."""
    passed_over: Sequence[PassedOver] = ()


@dataclass(frozen=True, slots=True)
class Pruned:
    workflows: int
    is_more: bool
    """It has not examined all workflows. The next call goes on from there."""
    passed_over: Sequence[PassedOver] = ()


@dataclass(frozen=True, slots=True)
class Staged:
    staged: int
    next_in: float | None
    """Seconds until the next entry is due, 0 if it stopped at its limit; None if none waits for a time."""
    passed_over: Sequence[PassedOver] = ()


@dataclass(frozen=True, slots=True)
class WaitsEnded:
    ended: int
    """Steps for which what they wait for had come, or whose time was up."""
    next_in: float | None
    """Seconds until the next wait is over, 0 if one is and is held by another transaction; None if none has a time."""
    has_runs: bool = False
    """Steps have begun to wait for other workflows, which are to be looked for."""
    passed_over: Sequence[PassedOver] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a signal or a message."""

    accepted: bool
    refusal: str | None
    """workflow, step, or ended; see sql/functions/record_signal.sql and record_message.sql."""
    facts: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class UpkeepResult:
    """What one round of upkeep did: the sums of its parts."""

    died: int = 0
    lost: int = 0
    given_back: int = 0
    pruned: int = 0
    staged: int = 0
    ended: int = 0
    waits_ended: int = 0


@dataclass(frozen=True, slots=True)
class Inserted:
    key: int | None
    """None if it was inserted through the entrance for clients, which does not say."""
    is_new: bool
    """False: the id existed already, with this fingerprint, or another run holds the key."""
    fingerprint: str
    holder: str | None = None
    """The id of the run that holds the key, in whose place nothing was inserted."""


@dataclass(frozen=True, slots=True)
class NotInserted:
    """Of the workflows that were to be inserted, those that were not, by id."""

    existing: dict[str, str]
    """The fingerprints of those that exist already."""
    held: dict[str, str]
    """For those whose key another run holds, the id of that run."""


@dataclass(frozen=True, slots=True)
class Watched:
    key: int | None
    """None if there is no such workflow."""
    step_id: int | None
    state: str | None
    """Of the step if one was asked for, else of the workflow; a step that is not final may read `queued`."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    count: int | None
    """None if there is no such workflow."""
    unknown: Sequence[str]


@dataclass(frozen=True, slots=True)
class Retried:
    count: int | None
    """None if there is no such workflow."""
    unknown: Sequence[str]
    refused: Sequence[str]
    run_key: str | None = None
    """Its key, if another run holds it; nothing was opened then."""
    key_holder: str | None = None
    """The id of that run."""
