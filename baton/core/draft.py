"""What a `Baton` holds while it is being built, and the steps that the engine adds of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from baton.core.arguments import EncodedArguments
from baton.core.conditions import observed_in, results_in
from baton.core.control import Control
from baton.core.job import Job
from baton.core.options import GivenOptions
from baton.core.references import Placed
from baton.core.spec import NO_FLAGS, UNBOUNDED, Bounds, Flags, Role
from baton.core.usage.budget import Budget, stored_budgets
from baton.core.usage.model_map import ModelMap
from baton.core.waits import Wait

GATE = "[gate]"
"""The first step of a group with a condition or `needs`. It takes these, and everything in the group waits for it."""
END = "[end]"
"""Observes all ordinary steps of a scope, for closing steps that wait for all of them."""

IGNORES_ALL = 7
OBSERVES = 15


@dataclass(slots=True)
class Draft:
    """What a `Baton` holds while it is being built."""

    steps: dict[str, Added] = field(default_factory=dict)
    returns: str | None = None
    bounds: Bounds = UNBOUNDED
    models: ModelMap | None = None
    budgets: tuple[Budget, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def own_steps(self, group: Added | None = None) -> Iterator[Added]:
        """Yield the steps that the engine needs in this draft besides the user's; `group` is the step that it is."""
        if group is not None and self._is_gated(group.control):
            control = group.control or Control()
            yield Added(
                GATE, Own("gate"), (), NO_FLAGS, Control(control.when, None, control.needs, control.cancels_rest)
            )
        if any(step.closes_all for step in self.steps.values()):
            ordinary = tuple([step.name for step in self.steps.values() if not step.is_closing])
            yield Added(END, Own("end"), ordinary, NO_FLAGS)

    @property
    def said_bounds(self) -> Bounds | None:
        """What bounds the whole; None if nothing does."""
        return None if self.bounds == UNBOUNDED else self.bounds

    def _is_gated(self, control: Control | None) -> bool:
        """Whether, as a group, it takes a step in front of all that is in it: what begins then needs a moment."""
        return (control is not None and control.is_gated) or self.bounds.deadline is not None


class DraftMap(Struct, frozen=True, eq=False):
    """A workflow of which a step makes one for each item of lists."""

    draft: Draft
    arguments: EncodedArguments
    """The lists, by the names of the holes that get one item each."""
    given: GivenOptions


def bounds_of(draft: Draft, inside: Sequence[tuple[str, Draft]]) -> Bounds | None:
    """Return what bounds a draft as a whole, with the model maps and budgets of the groups in it; None for nothing.

    Raises `InvalidOption` for a budget by a tag that the workflow does not have.
    """
    drafts = [("", draft), *inside]
    models = {name: one.models for name, one in drafts if one.models is not None}
    budgets = [
        msgspec.to_builtins(budget) for name, one in drafts for budget in stored_budgets(one.budgets, name, draft.tags)
    ]
    if not models and not budgets:
        return draft.said_bounds
    return replace(draft.bounds, models=models or None, budgets=budgets or None)


# Structs and not dataclasses: they are made in a fifth of the time.
class Own(Struct, frozen=True):
    """A step of the engine's own: it has no worker, and is completed by the engine."""

    role: Role


class Added(Struct, frozen=True):
    """A step as it was added."""

    name: str
    what: Job | Draft | DraftMap | Wait | Own
    deps: tuple[str, ...]
    """As declared, normalised and distinct."""
    flags: Flags
    control: Control | None = None
    reads: tuple[tuple[str, int], ...] = ()
    """Of a map of a workflow the steps outside that it names, and what they mean to it, as bits."""

    def jobs(self) -> Iterator[Job]:
        """Yield what it runs, and what undoes that."""
        if isinstance(self.what, Job):
            yield self.what
        if self.control is not None and self.control.undo is not None:
            yield self.control.undo

    def placed(self) -> tuple[Placed, ...]:
        return self.what.arguments.placed if isinstance(self.what, Job) else ()

    @property
    def is_closing(self) -> bool:
        return self.control is not None and self.control.runs is not None

    @property
    def closes_all(self) -> bool:
        """Whether it is a closing step that names no step, and so waits for all ordinary ones."""
        return self.is_closing and not self.deps and not self.placed() and not self._conditional()

    def awaited(self) -> tuple[str, ...]:
        """The names of all its dependencies, declared in `deps` or referred to in arguments or in its condition."""
        if self.control is not None:
            return tuple(self.edges()) or ((END,) if self.is_closing else ())
        if not (placed := self.placed()) and not self.reads:
            return self.deps
        outside = [name for name, _ in self.reads]
        return tuple(dict.fromkeys([*self.deps, *[reference.step for reference in placed], *outside]))

    @property
    def has_own_edges(self) -> bool:
        """Whether one of its edges is not simply as its flags say."""
        if self.control is not None or self.reads or isinstance(self.what, Own):
            return True
        return any(reference.default is not None or reference.is_state for reference in self.placed())

    def edges(self) -> dict[str, int]:
        """Return what each of its dependencies means to it, as bits; of several edges to one step the strongest."""
        plain = self.flags.bits
        if self.is_closing or (isinstance(self.what, Own) and self.what.role == "end"):
            return dict.fromkeys(
                [*self.deps, *[reference.step for reference in self.placed()], *self._conditional(), *dict(self.reads)],
                OBSERVES,
            )
        if isinstance(self.what, Own):
            # A gate: its group's edges, which it takes upon itself, say what these names mean.
            return dict.fromkeys(self._conditional(), OBSERVES)
        edges: dict[str, int] = {}
        kinds = [
            dict.fromkeys([reference.step for reference in self.placed() if _is_plain(reference)], plain),
            dict.fromkeys(results_in(self.control.when), plain)
            if self.control is not None and self.control.when
            else {},
            dict.fromkeys(
                [reference.step for reference in self.placed() if reference.default is not None], IGNORES_ALL
            ),
            dict.fromkeys(self.deps, plain),
            dict.fromkeys([reference.step for reference in self.placed() if reference.is_state], OBSERVES),
            dict.fromkeys(observed_in(self.control.when), OBSERVES)
            if self.control is not None and self.control.when
            else {},
        ]
        for kind in reversed(kinds):
            edges |= kind
        for name, bits in self.reads:
            # What is said of the map itself goes before what is said inside.
            edges.setdefault(name, bits)
        return {name: edges[name] for name in self._all_names()}

    def _all_names(self) -> dict[str, None]:
        referenced = [reference.step for reference in self.placed()]
        return dict.fromkeys([*self.deps, *referenced, *self._conditional(), *dict(self.reads)])

    def _conditional(self) -> list[str]:
        if self.control is None or self.control.when is None:
            return []
        return [*results_in(self.control.when), *observed_in(self.control.when)]


def _is_plain(reference: Placed) -> bool:
    return reference.default is None and not reference.is_state
