"""A checked workflow as it is handed to the database: frozen, encoded, and addressed by position."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias, overload

import msgspec

from baton.core.conditions import ConditionSpec
from baton.core.debug_mode import DebugMode
from baton.core.options import Options
from baton.core.retry import Exponential

Role: TypeAlias = Literal["always", "on failure", "gate", "end"]


# Structs and not dataclasses: they are made in a fifth of the time, and a workflow may have a
# million steps.
class Flags(msgspec.Struct, frozen=True):
    """Which unfavourable ends of its dependencies a step counts as done."""

    ignore_cancelled: bool
    ignore_discarded: bool
    ignore_skipped: bool

    @property
    def bits(self) -> int:
        """As the bits of an edge; see `Extras.edges`."""
        return self.ignore_cancelled + 2 * self.ignore_discarded + 4 * self.ignore_skipped

    def as_tuple(self) -> tuple[bool, bool, bool]:
        return self.ignore_cancelled, self.ignore_discarded, self.ignore_skipped

    def united(self, other: Flags) -> Flags:
        """Return the flags that ignore what either of the two ignores."""
        return Flags(*[mine or theirs for mine, theirs in zip(self.as_tuple(), other.as_tuple(), strict=True)])


NO_FLAGS = Flags(ignore_cancelled=False, ignore_discarded=False, ignore_skipped=False)


class Terms(Options, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The terms on which a step runs: its options and what follows from its worker and its flags.

    Most steps of a workflow share a few terms, so a call of the database says each distinct one once.
    """

    worker: str
    """The name of the worker that runs the step."""
    ignore_cancelled: bool = False
    ignore_discarded: bool = False
    ignore_skipped: bool = False
    takes_context: bool = False
    """The worker gets the outcomes of its dependencies as well as their results."""


NO_GRAPH = msgspec.Raw(b"null")


class Map(msgspec.Struct, frozen=True, gc=False, tag="map"):
    """The step expands into one child per item."""

    each: tuple[str, ...]
    """The parameters that get one item each; in `args` they are lists."""
    references: str | None = None
    """The references in the arguments of its children; as in `StepSpec`."""
    child_inputs: tuple[int, ...] = ()
    """Positions of the dependencies whose results a claim of a child delivers."""
    graph: msgspec.Raw = NO_GRAPH
    """JSON of the graph that each child expands into; see `baton.core.item_graphs`. null: children are jobs."""


class SubWorkflow(msgspec.Struct, frozen=True, gc=False, tag="workflow"):
    """The step is a group that is inserted with its children, which lie side by side."""

    first_child: int
    children: int
    returns: int | None = None
    """Position of the child whose result is the group's; None for its last ones."""


class OuterDependencies(msgspec.Struct, frozen=True, gc=False):
    """The dependencies that a step of a returned graph has outside it.

    They are named as the step that returned the graph names its own dependencies.
    """

    deps: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    """Those whose results a claim delivers."""
    child_inputs: tuple[str, ...] = ()
    """Of a map, those whose results a claim of a child delivers."""
    edges: tuple[int, ...] = ()
    """Parallel to `deps`; as in `Extras`. Empty: as the flags of the step say."""


class Bounds(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What bounds a workflow or group as a whole."""

    fails_fast: bool | None = None
    """The first failure in it that nothing can forgive ends it."""
    deadline: float | None = None
    """Seconds after which it is ended."""
    models: Mapping[str, Mapping[str, str]] | None = None
    """Of a whole workflow or returned graph: the model maps by the group they hold for; see `model_of`."""
    budgets: Sequence[Mapping[str, Any]] | None = None
    """Of a whole workflow or returned graph: `StoredBudget` as plain values."""


UNBOUNDED = Bounds()


class RunKey(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The key of a run: at most one run holds it at a time."""

    key: str
    if_running: str = "return"
    """What the insert does if another run holds it; see `baton.core.keys.IfRunning`."""
    seconds: float | None = None
    """For how long it stays taken after the end of the run."""


class RunScope(Bounds, frozen=True, gc=False, omit_defaults=True):
    """What holds for a run as a whole."""

    key: RunKey | None = None
    tags: dict[str, str] | None = None
    """What it is found by; names and values."""
    reusing: str | None = None
    """The id of another run, whose results steps that are the same take."""


class Undo(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The job that takes back what a step did, as it is stored with the step."""

    worker: str
    queue: str
    priority: int
    max_attempts: int
    args: str
    arg_refs: str | None = None
    """As `references` of `StepSpec`; an empty name stands for the step itself."""
    timeout: float | None = None
    lane: str | None = None
    units: int | None = None
    takes_context: bool = False
    deadline: float | None = None
    start_within: float | None = None
    backoff: float | Exponential | None = None


class SignalSpec(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="signal"):
    """The step waits for a signal."""

    kind: str | None = None
    """JSON text that names the type of its value; see `baton.core.type_names`. None: any JSON."""
    seconds: float | None = None
    """How long it waits; None for no limit."""
    default: str | None = None
    """JSON text of its result if no signal comes in that time; None: then it is discarded."""


class TimerSpec(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="timer"):
    """The step waits for a time."""

    seconds: float | None = None
    """From its release."""
    until: datetime | None = None


class MessageSpec(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="message"):
    """The step waits for a message of a topic. The fields are those of `SignalSpec`."""

    topic: str
    kind: str | None = None
    seconds: float | None = None
    default: str | None = None


class RunSpec(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="run"):
    """The step waits for the end of another workflow."""

    id: str
    within: float | None = None
    """How many seconds after the step's release that workflow may still be inserted; None: it has to be there."""


WaitSpec: TypeAlias = SignalSpec | TimerSpec | MessageSpec | RunSpec


class Extras(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What only some steps have. It is written as one JSON object; a step without it costs nothing."""

    kind: Map | SubWorkflow | None = None
    """What kind of group the step is; None for an ordinary step."""
    outer: OuterDependencies | None = None
    edges: tuple[int, ...] | None = None
    """What each of its dependencies means to it, as bits: 1 ignores cancelled, 2 discarded, 4 skipped, 8 only observes.
    None: as its flags say."""
    when: ConditionSpec | None = None
    role: Role | None = None
    """always, on failure: a closing step. gate, end: the engine's own. None: an ordinary step."""
    is_closing: bool = False
    """It outlives a cancel: it is a closing step, or below one."""
    is_last: bool | None = None
    """Whether its result is that of its scope, where that is not so because nothing depends on it."""
    needs: int | None = None
    cancels_rest: bool = False
    scope: Bounds | None = None
    """Of a group."""
    undo: Undo | None = None
    awaits: WaitSpec | None = None
    """What the step waits for in place of a worker."""
    undo_inputs: tuple[int, ...] | None = None
    """Positions of the other steps whose results the undo reads."""


class StepSpec(msgspec.Struct, frozen=True, gc=False):
    """One step, ready to be written.

    Positions count from 0, in the order in which the steps were added.
    """

    name: str
    """Unique in the workflow, NFC-normalised."""
    terms: Terms
    args: str
    """A JSON object: the arguments by parameter name, null wherever a reference stands."""
    references: str | None = None
    """A JSON list of [path, step name], the path being keys and indices into `args`; None if nothing is referenced."""
    dependencies: tuple[int, ...] = ()
    """Positions of the steps this one waits for, ascending and distinct."""
    dependents: tuple[int, ...] = ()
    """Positions of the steps that wait for this one, ascending and distinct."""
    inputs: tuple[int, ...] = ()
    """Positions of the dependencies whose results a claim delivers: the referenced ones, or all if the worker
    takes a `Context`. For a map, those that its lists come from."""
    parent: int | None = None
    """Position of the group it is a child of."""
    extras: Extras | None = None


class Steps(Sequence[StepSpec]):
    """The steps of a workflow, made when they are asked for: a large workflow is never in memory as a whole."""

    def __init__(self, size: int, make: Callable[[int], StepSpec]) -> None:
        self._size = size
        self._make = make

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> StepSpec: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[StepSpec]: ...
    def __getitem__(self, index: int | slice) -> StepSpec | Sequence[StepSpec]:
        if isinstance(index, slice):
            return [self._make(position) for position in range(self._size)[index]]
        return self._make(range(self._size)[index])

    def __iter__(self) -> Iterator[StepSpec]:
        return map(self._make, range(self._size))


class WorkflowSpec(msgspec.Struct, frozen=True, gc=False):
    """A workflow that was checked and has no fault."""

    id: str
    name: str | None
    fingerprint: str
    """Equal for two workflows whose callers wrote the same graph; see `baton.core.fingerprint`."""
    debug: DebugMode
    meta: str | None
    """JSON text of what the caller attached; None if nothing was."""
    steps: Sequence[StepSpec]
    """In the order added; behind those of the workflow itself the children of its first group, and so on."""
    returns: int | None = None
    """Position of the step whose result is the workflow's; None for its last ones."""
    scope: Bounds | None = None
    """A `RunScope` if it has a key or tags. Not a part of the fingerprint but for the bounds."""
