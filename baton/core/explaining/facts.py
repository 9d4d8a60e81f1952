"""What is read of a workflow to explain it, as the query of `baton.database.explanations` returns it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from baton.core.conditions import ConditionSpec
from baton.core.states import StepState, WorkflowState


class EndingFacts(Struct, frozen=True):
    """How a workflow or group will end that is being ended."""

    state: str
    reason: str | None = None


class CallFacts(Struct, frozen=True):
    """The last call by which somebody ended it."""

    action: str
    is_whole: bool
    actor: str | None = None
    role: str | None = None
    reason: str | None = None


class AwaitedFacts(Struct, frozen=True):
    """What a step waits for in place of a worker; see the column `awaits`."""

    type: Literal["signal", "message", "timer", "run"]
    topic: str | None = None
    id: str | None = None
    seconds: float | None = None
    within: float | None = None
    default: str | None = None


class PoolFacts(Struct, frozen=True):
    """The worker pool that has the claim of a step."""

    name: str
    host: str
    pid: int
    silent_seconds: float
    lease_left: float
    is_dead: bool
    is_silent: bool
    """It has not been heard of for more than half its lease."""


class SlotFacts(Struct, frozen=True):
    """The map whose slot a step waits for."""

    map: str
    concurrency: int
    holders: tuple[str, ...]


class AttemptFacts(Struct, frozen=True):
    """Attempts that may still run although their claims are void."""

    steps: tuple[str, ...]
    pools: tuple[str, ...]


class AwaitedRunFacts(Struct, frozen=True):
    """The run that a step waits for."""

    state: WorkflowState | None
    """None: there is no such workflow."""
    circle: tuple[str, ...] | None = None
    """The workflows that wait for one another, this one first."""


class PauseFacts(Struct, frozen=True):
    """A pause of the run or the worker of a step."""

    of: Literal["run", "worker"]
    seconds: float


class QueueFacts(Struct, frozen=True):
    """A queue in which a step waits that is explained."""

    name: str
    paused_seconds: float | None
    """Since when it is paused; None if it is not."""
    slots: int | None
    """Of all living pools that serve it; None if none does."""
    taken: int
    holders: tuple[HolderFacts, ...] = ()


class HolderFacts(Struct, frozen=True):
    """One that has run the longest of those that execute in a queue."""

    workflow: str
    step: str
    seconds: float


class LimitFacts(Struct, frozen=True):
    """The limit of a queue that keeps a step from its start; see sql/functions/limit_of.sql."""

    limit: Literal["running", "lane_running", "starts", "lane_starts", "paused_lane"]
    most: float = 0.0
    lane: str | None = None
    per: float | None = None
    seconds: float | None = None


class StepFacts(Struct, frozen=True):
    """One step."""

    id: int
    name: str
    workflow: str
    state: StepState
    worker: str
    queue: str
    attempt: int
    max_attempts: int
    pending: int
    role: str | None = None
    grouping: str | None = None
    group: str | None = None
    """The name of the group that it is in."""
    children: int | None = None
    needs: int | None = None
    round: int = 1
    reason: str | None = None
    outcome: str | None = None
    """The kind of the last accepted outcome."""
    refusals: int = 0
    not_needed: bool = False
    is_join: bool = False
    is_ripe: bool = False
    """It awaits a signal, and that is recorded; upkeep ends it."""
    deadline: float | None = None
    start_within: float | None = None
    awaits: AwaitedFacts | None = None
    condition: ConditionSpec | None = None
    ending: EndingFacts | None = None
    error: str | None = None
    """Of the last failed attempt."""
    error_kind: str | None = None
    running_seconds: float | None = None
    due_in: float | None = None
    """None: never, or it has no time."""
    waits_until: float | None = None
    """Seconds until the wait of a step without a worker is over."""
    starts_within: float | None = None
    """Seconds until it is ended unless it has started."""
    ends_within: float | None = None
    """Seconds until it is ended."""
    pool: PoolFacts | None = None
    is_known: bool | None = None
    """A living pool that serves its queue can run it."""
    pause: PauseFacts | None = None
    slot: SlotFacts | None = None
    limit: LimitFacts | None = None
    attempts: AttemptFacts | None = None
    run: AwaitedRunFacts | None = None
    call: CallFacts | None = None
    next: tuple[int, ...] = ()
    """The steps that it waits for, or that ended it; the first of them."""

    @property
    def is_own(self) -> bool:
        """Whether it is the engine's own: nobody added it."""
        return self.role in ("gate", "end")


class Facts(Struct, frozen=True):
    """A workflow, and some of its steps, as of one moment."""

    id: str
    state: WorkflowState
    remaining: int
    ending: EndingFacts | None
    call: CallFacts | None
    """By which it was cancelled as a whole."""
    targets: tuple[int, ...]
    """The steps that are asked about."""
    steps: tuple[StepFacts, ...]
    """These, and what they lead to."""
    queues: tuple[QueueFacts, ...]
