"""What goes to the engine's functions and what comes back, as frozen values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from baton.core.limits import INPUT_BYTES
from baton.core.outcome import Outcome


# One of these and one `Settlement` are made for every attempt: a frozen dataclass takes 3.6 µs to make, a struct 0.2.
# They hold nothing that could refer back to them, so the garbage collector can skip them.
class Claimed(Struct, frozen=True, gc=False):
    """A step that a pool has claimed for one attempt, with all it takes to run it."""

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
    """A JSON object: results by step name, of the dependencies the step reads and that have one."""
    outcomes: str | None
    """A JSON object: [state, reason, children] of the same by step name, if its worker takes a context."""
    attempt: int
    """Counted by the claim; 1 during the first attempt."""
    max_attempts: int
    timeout: float | None
    """Seconds."""
    is_join: bool
    """It is a group whose children are final: nothing runs, and how it ends is to be settled."""
    map: str | None
    """It is a map to be expanded. A JSON object: `each`, the parameters that get one item each, and more."""
    refused_seconds: float | None = None
    """How long pools have put it back because its arguments do not fit; None if none did since it last started."""
    undeliverable: str | None = None
    """Why the results it reads cannot be delivered; then there are none here, and it cannot run."""
    generation: int = 1
    """Raised each time the step was undone or began another round."""


class Claim(Protocol):
    """What an outcome is judged by."""

    @property
    def step_id(self) -> int: ...
    @property
    def token(self) -> UUID: ...


class Settlement(Struct, frozen=True, gc=False):
    """An attempt's outcome on its way to the database."""

    step_id: int
    token: UUID
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A row that a call of the engine could not change. The call went on with the others."""

    row: str
    """Which one, in words: `step 'a' of workflow 'w'`."""
    error: str


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """A wish to claim: the token it will be under, and how many steps of each queue at most."""

    token: UUID
    limits: dict[str, int]
    seen_empty: frozenset[str] = frozenset()
    """Of these queues, which were found empty, only what the outcomes release that are settled in the same call."""
    input_bytes: int = INPUT_BYTES
    """How large the results may be that are delivered to one step."""

    def halved(self) -> ClaimRequest:
        """Return a request for half as many steps of each queue, but at least one."""
        return replace(self, limits={queue: max(1, limit // 2) for queue, limit in self.limits.items()})

    def columns(self) -> tuple[list[str], list[int]]:
        """Return queues and limits for sql/functions/claim_entries.sql; a negative limit marks a queue seen empty."""
        queues = list(self.limits)
        return queues, [-self.limits[queue] if queue in self.seen_empty else self.limits[queue] for queue in queues]


@dataclass(frozen=True, slots=True)
class Advanced:
    """The answer of one call of `advance`."""

    accepted: Sequence[bool]
    """One for each outcome sent, in order. False: another claim owns the step, and the outcome counts for nothing."""
    claimed: Sequence[Claimed]


@dataclass(frozen=True, slots=True)
class SeparateClaim:
    """The answer of `claim_separately`."""

    claimed: Sequence[Claimed]
    passed_over: Sequence[PassedOver]
    """Steps that could not be claimed."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one call takes of an expansion: the steps from number `first` to before `end`."""

    base: int | None
    """What the call with the first part answered; None in that one."""
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
    """Names in a returned graph that are no dependencies of the step."""


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """The answer to a beat."""

    is_alive: bool
    """False: the pool was marked dead, and its steps are others' now. It stays dead."""
    held: frozenset[tuple[int, UUID]]
    """The claims the database knows the pool to hold, as (step id, token)."""
    serving: Sequence[int]
    """How many living pools serve each of its queues, itself among them; in the order it registered them."""


@dataclass(frozen=True, slots=True)
class UpkeepDue:
    """What upkeep has to do."""

    deaths: bool
    """A lease ran out, or a pool died so long ago that it is to be forgotten."""
    orphans: bool
    """There are claimed entries that no living pool runs."""
    next_in: float | None
    """Seconds until the next entry is due, 0 if one is; None if none waits for a time."""


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
    """It has not come round: the next call goes on from where this one stopped."""
    passed_over: Sequence[PassedOver] = ()


@dataclass(frozen=True, slots=True)
class Staged:
    staged: int
    next_in: float | None
    """Seconds until the next entry is due, 0 if it stopped at its limit; None if none waits for a time."""
    passed_over: Sequence[PassedOver] = ()


@dataclass(frozen=True, slots=True)
class UpkeepResult:
    """What one round of upkeep did: the sums of its parts."""

    died: int = 0
    lost: int = 0
    given_back: int = 0
    pruned: int = 0
    staged: int = 0


@dataclass(frozen=True, slots=True)
class Inserted:
    key: int
    is_new: bool
    """False: the id existed already, with this fingerprint."""
    fingerprint: str


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
