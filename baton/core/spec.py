"""What a checked workflow is when it is handed to the database: frozen, encoded, and addressed by position."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import overload

import msgspec


@dataclass(frozen=True, slots=True)
class MapSpec:
    """How a map expands: one child per item, with what follows besides."""

    each: tuple[str, ...]
    """The parameters that get one item each; in `args` they are lists."""
    references: str | None
    """As in `StepSpec`: what the children refer to themselves."""
    inputs: tuple[int, ...]
    """Positions of the dependencies whose results a claim of a child delivers."""
    concurrency: int | None
    """How many children run at a time; None for no limit."""


@dataclass(frozen=True, slots=True)
class FamilySpec:
    """The children of a group that is inserted with them; they lie side by side."""

    first_child: int
    children: int
    returns: int | None
    """Position of the child whose result is the group's; None for its last ones."""


@dataclass(frozen=True, slots=True)
class OuterSpec:
    """What a step of a returned graph depends on outside: dependencies of the step that returned it, by local name."""

    deps: tuple[str, ...]
    inputs: tuple[str, ...]
    """Those whose results a claim delivers."""
    child_inputs: tuple[str, ...] = ()
    """Of a map: those whose results a claim of a child delivers."""


# Structs and no dataclasses from here on: made in a fifth of the time, and there may be a million steps.
class Flags(msgspec.Struct, frozen=True):
    """Which unfavourable ends of its dependencies a step counts as done."""

    ignore_cancelled: bool
    ignore_discarded: bool
    ignore_skipped: bool

    def as_tuple(self) -> tuple[bool, bool, bool]:
        return self.ignore_cancelled, self.ignore_discarded, self.ignore_skipped

    def joined(self, other: Flags) -> Flags:
        """Return the flags that ignore what either of the two ignores."""
        return Flags(*[mine or theirs for mine, theirs in zip(self.as_tuple(), other.as_tuple(), strict=True)])


NO_FLAGS = Flags(ignore_cancelled=False, ignore_discarded=False, ignore_skipped=False)


class Terms(msgspec.Struct, frozen=True, gc=False):
    """On what terms a step runs: what is alike for many steps, and written down once for all of them."""

    worker: str
    """The name of the worker that runs the step."""
    queue: str
    priority: int
    """0 is claimed first."""
    max_attempts: int
    timeout: float | None = None
    """Seconds one attempt may take; None for no limit."""
    scheduled_at: datetime | None = None
    """Aware; the step does not start before this time."""
    schedule_in: float | None = None
    """Seconds that pass between the step's release and its first start."""
    ignore_cancelled: bool = False
    ignore_discarded: bool = False
    ignore_skipped: bool = False
    takes_context: bool = False
    """The worker is told what became of its dependencies, and not only their results."""


class StepSpec(msgspec.Struct, frozen=True, gc=False):
    """One step, ready to be written.

    Positions count from 0, in the order in which the steps were added.
    """

    name: str
    """Unique in the workflow, NFC-normalised."""
    terms: Terms
    args: str
    """A JSON object: the arguments by parameter name, null wherever a reference stands."""
    references: str | None
    """A JSON list of [path, step name], the path being keys and indices into `args`; None if nothing is referenced."""
    dependencies: tuple[int, ...] = ()
    """Positions of the steps this one waits for, ascending and distinct."""
    dependents: tuple[int, ...] = ()
    """Positions of the steps that wait for this one, ascending and distinct."""
    inputs: tuple[int, ...] = ()
    """Positions of the dependencies whose results a claim delivers: the referenced ones, or all if the worker
    takes a `Context`."""
    parent: int | None = None
    """Position of the group it is a child of."""
    map: MapSpec | None = None
    """It is a map, and this is how it expands."""
    family: FamilySpec | None = None
    """It is a sub-workflow, and these are its children."""
    outer: OuterSpec | None = None
    """In a returned graph: what it depends on outside."""


class Edges(msgspec.Struct, frozen=True):
    """Where a job stands in a workflow; the positions are those of `StepSpec`."""

    dependencies: tuple[int, ...] = ()
    dependents: tuple[int, ...] = ()
    inputs: tuple[int, ...] = ()
    """What a claim of the step delivers; of a map, what its lists come from."""
    child_inputs: tuple[int, ...] = ()
    """Of a map, what a claim of a child delivers."""
    parent: int | None = None
    outer: OuterSpec | None = None


NO_EDGES = Edges()


class Steps(Sequence[StepSpec]):
    """The steps of a workflow, made when they are asked for: a large one is never there as a whole."""

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
    debug: bool
    meta: str | None
    """JSON text of what the caller attached; None if nothing was."""
    steps: Sequence[StepSpec]
    """In the order added; behind those of the workflow itself the children of its first group, and so on."""
    returns: int | None = None
    """Position of the step whose result is the workflow's; None for its last ones."""
