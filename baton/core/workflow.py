"""`Baton`: builds a workflow of named steps, checks it, and inserts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Never, Self

from msgspec.structs import replace

from baton.core import codec
from baton.core.compile import CompiledGraph
from baton.core.conditions import Condition
from baton.core.control import Rest, Runs, checked_control
from baton.core.debug_mode import DebugMode, checked_debug
from baton.core.draft import Added, Draft, DraftMap
from baton.core.drawable import Drawable
from baton.core.durations import Seconds, checked_deadline
from baton.core.expansion import Expandable, Expansion
from baton.core.functions import hint_at_job
from baton.core.insertable import Insertable
from baton.core.job import NOTHING_GIVEN, Job
from baton.core.keys import checked_key, checked_tags, run_scope
from baton.core.keywords import suggests_keywords
from baton.core.names import checked_name, checked_text, new_workflow_id, normalised
from baton.core.options import GivenOptions, check_together, job_options
from baton.core.spec import Bounds, Flags, RunKey, WorkflowSpec
from baton.core.usage.budget import Budget, checked_budgets
from baton.core.usage.model_map import ModelMap, checked_models
from baton.core.waits import AnotherRun, Wait
from baton.core.worker import Worker
from baton.errors import DuplicateStep, InvalidName, InvalidOption, NotJSON
from baton.errors.faults import MetaNotJSON

if TYPE_CHECKING:
    from baton.core.pictures.diagram import Diagram


class Baton(Insertable, Expandable, Drawable):
    """A workflow that is being built. Nothing of it is stored before `insert`.

    A worker may return one. It then takes the place of the worker's step, which becomes a group.
    """

    def __init__(self, *_: Never, **__: Never) -> None:
        raise TypeError("a workflow begins with Baton.new(...), whose arguments all have names")

    def _begin(
        self, workflow_id: str, name: str | None, flags: Flags, meta: object, bounds: Bounds, *, debug: DebugMode
    ) -> Self:
        self._id = workflow_id
        self._name = name
        self._flags = flags
        self._debug = debug
        self._meta, self._meta_fault = _encoded_meta(meta)
        self._draft = Draft(bounds=bounds)
        self._map_options: GivenOptions = NOTHING_GIVEN
        self._key: RunKey | None = None
        self._tags: dict[str, str] | None = None
        return self

    @classmethod
    @suggests_keywords
    def new(
        cls,
        *,
        workflow_id: str | None = None,
        workflow_name: str | None = None,
        ignore_cancelled: bool = False,
        ignore_discarded: bool = False,
        ignore_skipped: bool = False,
        fail_fast: bool = False,
        deadline: Seconds | None = None,
        key: str | None = None,
        key_for: Seconds | None = None,
        tags: Mapping[str, str] | None = None,
        debug: DebugMode = False,
        meta: object = None,
        models: ModelMap | None = None,
        budget: Budget | Sequence[Budget] | None = None,
    ) -> Baton:
        """Begin a workflow.

        `workflow_id` is any non-empty string of at most 200 characters; left out, a UUID is drawn now, so inserting
        this object twice inserts one workflow. An id is free again when its workflow is pruned, by default seven days
        after its end (`WorkerPool(keep=...)`). The flags hold for each step that is not given its own. `meta` is any
        JSON value, kept beside the workflow; workers read it as `ctx.meta`, callers as `status().meta`.

        `fail_fast` ends it at the first failure that nothing in it can forgive: its ordinary steps are cancelled, its
        closing steps and undos run, and it fails. `deadline`, in seconds or as a `timedelta`, ends it so at that time
        after its insert, or after a retry. Added to another workflow, it keeps both: its deadline counts from the
        moment when what the group waits for is done.

        `key`, a string of at most 200 characters, is held by at most one run at a time: from the commit that inserts
        it until its end, and for `key_for` longer, in seconds or as a `timedelta`. What an insert does if another run
        holds it says `insert(if_running=...)`. `tags` are what the run is found by: at most fifty names and values,
        all strings, as in `{"team": "red"}`. Only a run has these, so such a workflow is no step of another one.

        `models` names the language model that each step asks, as `ctx.model`: by the name of the step, of a group
        around it, of its worker, or "*" for all others, in this order. Added to another workflow, its own map goes
        before that one's. `budget` bounds what its calls of language models cost, or those of all runs that share it.

        With `debug` each attempt leaves what helps to understand it: its arguments, the results it received, its log
        lines, and what its worker gives to `ctx.record`; "errors" keeps those of attempts that fail, and a number, as
        0.1, those of a share of them. `run.debug(step)` reads them.

        Raises `InvalidName` and `InvalidOption`.
        """
        identity = new_workflow_id() if workflow_id is None else checked_text("workflow", workflow_id)
        name = None if workflow_name is None else checked_text("workflow", workflow_name)
        given = {"ignore_cancelled": ignore_cancelled, "ignore_discarded": ignore_discarded}
        flags = Flags(**_checked_flags(given | {"ignore_skipped": ignore_skipped}))
        _checked_flags({"fail_fast": fail_fast})
        ends_in = None if deadline is None else checked_deadline("deadline", deadline)
        bounds = Bounds(fails_fast=fail_fast or None, deadline=ends_in)
        made = cls.__new__(cls)._begin(identity, name, flags, meta, bounds, debug=checked_debug(debug))
        made._draft.models = None if models is None else checked_models(models)
        made._draft.budgets = () if budget is None else checked_budgets(budget)
        made._key, made._tags = checked_key(key, key_for), checked_tags("tags", tags)
        made._draft.tags = made._tags or {}
        return made

    def __repr__(self) -> str:
        return f"<Baton {self._id!r} with {len(self._draft.steps)} steps>"

    @suggests_keywords
    def add(
        self,
        name: str,
        what: Job | Baton | Wait | AnotherRun,
        *,
        each: Mapping[str, Any] | None = None,
        deps: Iterable[str] = (),
        when: Condition | None = None,
        runs: Runs | None = None,
        needs: int | None = None,
        rest: Rest | None = None,
        undo: Job | None = None,
        ignore_cancelled: bool | None = None,
        ignore_discarded: bool | None = None,
        ignore_skipped: bool | None = None,
    ) -> Baton:
        """Add a step and return the builder.

        `what` is a job, another `Baton`, or what waits without a worker: a `Signal`, a `Timer`, a `Receive`, or the
        `Run` of another workflow, for whose end the step waits, and as which it ends, with its result. With a `Baton`
        the step is a group, whose children are that one's steps, named `name/...`. A name in it stands for one of its
        own steps, or else for a step of the scope around it. Its entry steps, which depend on none of its other steps,
        wait for the dependencies of the group. Steps may be added to it until this workflow is inserted.

        `each` makes a map of a `Baton`: for each item of a list one of it, named `name[0]/...`, with the item in the
        places of `param(...)`. It gives a list by the name of each such hole, as `each(...)` of a job does: of values,
        or `result_of("step")`; several are taken in parallel. Holes that it does not name stay holes of this workflow.
        `what.with_options(...)` bounds the map. Its result is the list of what they return.

        `deps` are the names of steps to wait for, which may be added later; the steps whose results are arguments
        of the job are waited for as well. The flags say which unfavourable ends of a dependency count as done; None
        takes the workflow's.

        `when` is a condition on results and states, as in `result_of("check")["score"] > 0.8`; unless it holds when
        nothing is pending any more, the step is skipped. `runs="always"` and `runs="on failure"` make it a closing
        step, which observes its dependencies, or without any the whole workflow, and runs although that failed or was
        cancelled. `needs` is how many dependencies have to complete before it starts; `rest="cancel"` cancels the
        others then. `undo` is a job that takes back what the step did, if the workflow ends badly.

        Raises `DuplicateStep`, `InvalidName`, `InvalidOption` and `TypeError`; the builder is unchanged then.
        """
        key = checked_name("step", name)
        if key in self._draft.steps:
            raise DuplicateStep(key)
        added = _what(key, what, each)
        if isinstance(what, AnotherRun) and what.id == self._id:
            raise InvalidName("workflow", what.id, f"step {key!r} would wait for its own workflow to end")
        flags = self._flags_with(ignore_cancelled, ignore_discarded, ignore_skipped)
        control = checked_control(key, when, runs, needs, rest, undo, is_job=isinstance(added, Job))
        self._draft.steps[key] = Added(key, added, _names(key, deps), flags, control)
        return self

    def with_options(
        self,
        *,
        concurrency: int | None = None,
        tolerate: int | str | None = None,
        needs: int | None = None,
    ) -> Baton:
        """Return this workflow with options for `add(..., each=...)`; they mean what those of a job's map mean.

        concurrency: how many items run at a time, over all worker pools. An item keeps its place until it is final.
        tolerate, needs: how many items may fail, or have to complete.

        What is added to one of the two later is in both. Raises `InvalidOption`.
        """
        given = {"concurrency": concurrency, "tolerate": tolerate, "needs": needs}
        copy = Baton.__new__(Baton)
        copy.__dict__ = {**self.__dict__}
        copy._map_options = {**self._map_options, **job_options({k: v for k, v in given.items() if v is not None})}
        check_together(copy._map_options, is_map=True)
        return copy

    @property
    def id(self) -> str:
        """The workflow's id: the one given to `new`, or the UUID that `new` drew."""
        return self._id

    @property
    def key(self) -> str | None:
        """The key that at most one run holds at a time; None if it has none."""
        return None if self._key is None else self._key.key

    def step_names(self) -> list[str]:
        """Return the names of the steps in the order added."""
        return list(self._draft.steps)

    def returns(self, name: str) -> Baton:
        """Say which step's result is the result of this workflow, and return the builder.

        Left out, it is the result of the last step, the one nothing depends on; or, if there are several, a mapping of
        their results by name. Raises `InvalidName`.
        """
        self._draft.returns = checked_name("step", name)
        return self

    def validate(self) -> list[str]:
        """Return the names in a topological order, which is the order added if each step comes after its dependencies.

        The steps of a sub-workflow come before it, as `extract/...`. Raises `InvalidWorkflow` with every fault of the
        workflow. No database is touched.
        """
        graph = self._compiled()
        _ = graph.bounds  # checks the budgets, which need tags
        return [graph.names[position] for position in graph.graph.order]

    def to_template(self) -> str:
        """Return the workflow as JSON text, with its holes, for `from_template` and for people to read.

        It names steps and workers; its own id is not in it. docs/template.schema.json describes it. Raises
        `InvalidWorkflow` for any fault but a hole without a value.
        """
        from baton.core.templates.writing import run_fields, template_of

        self._compiled(is_template=True)
        run = {"name": self._name, "debug": self._debug, **run_fields(self._key, self._tags)}
        return template_of(self._draft, run, self._meta)

    @classmethod
    def from_template(
        cls,
        template: str | bytes,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        workflow_id: str | None = None,
        key: str | None = None,
        **named: Any,
    ) -> Baton:
        """Return the workflow that a template describes, with values in its holes.

        It is checked as one that is built in Python: a worker that this process knows checks its arguments and gives
        its own options; of others the template says what is needed. `values` are those whose names are taken here, as
        `workflow_id` is; the named ones are added to them. `key` goes before that of the template.

        Raises `InvalidTemplate` for text that is none, of a newer version, with an unknown field or worker, for a hole
        without a value, a value without a hole, and one that does not fit. Other faults are found by the insert.
        """
        from baton.core.templates.reading import read_template

        given = {**(values or {}), **named}
        return read_template(template, given, workflow_id, key)

    def spec(self) -> WorkflowSpec:
        """Return the workflow as it is handed to the database. Raises `InvalidWorkflow`."""
        graph = self._compiled()
        written, steps = graph.fingerprint(), graph.specs()
        scope = run_scope(graph.bounds, self._key, self._tags)
        return WorkflowSpec(self._id, self._name, written, self._debug, self._meta, steps, graph.returns, scope)

    def expansion(self) -> Expansion:
        """Return the graph that takes the place of a step whose worker returned it. Raises `InvalidWorkflow`."""
        self._require_no_run()
        return CompiledGraph(self._draft, is_open=True).expansion()

    def _diagram(self) -> Diagram:
        from baton.core.workflow_diagram import diagram_of

        return diagram_of(self._compiled(), self._name or "")

    def _compiled(self, *, is_template: bool = False) -> CompiledGraph:
        faults = [self._meta_fault] if self._meta_fault is not None else ()
        return CompiledGraph(self._draft, is_template=is_template, faults=faults)

    def _require_no_run(self) -> None:
        """Raises `InvalidOption` if it has what only a run can have."""
        for option, value in (("key", self.key), ("tags", self._tags)):
            if value is not None:
                raise InvalidOption(option, value, "only a run has it, and this workflow is a step of another one")

    def _flags_with(self, *given: bool | None) -> Flags:
        """Return the flags of a step: those given, and the workflow's for the others."""
        if given == (None, None, None):
            return self._flags
        own = {name: value for name, value in zip(Flags.__struct_fields__, given, strict=True) if value is not None}
        return replace(self._flags, **_checked_flags(own))


def _what(step: str, what: object, each: Mapping[str, Any] | None) -> Job | Draft | DraftMap | Wait:
    match what:
        case Baton() if each is not None:
            from baton.core.json_arguments import lists_of_map

            what._require_no_run()
            return DraftMap(what._draft, lists_of_map(step, each), what._map_options)
        case Baton() if what._map_options:
            option, value = next(iter(what._map_options.items()))
            raise InvalidOption(option, value, f"it is for a map, and step {step!r} is none; give each= as well")
        case _ if each is not None:
            raise TypeError(f"each= of step {step!r} makes a map of a Baton; a job takes each(...) as an argument")
        case Job() | Wait():
            return what
        case Baton():
            what._require_no_run()
            return what._draft
        case AnotherRun():
            return what.end()
        case type() if issubclass(what, Wait | AnotherRun):
            hint = f"; did you mean {what.__name__}(...)?"
        case Worker():
            hint = f"; did you mean {what.name}.new(...)?"
        case _:
            hint = hint_at_job(what)
    raise TypeError(
        f"step {step!r} must be a job, a Baton, a Signal, a Timer, a Receive or a Run, not {type(what).__name__}{hint}"
    )


def _names(step: str, deps: Iterable[str]) -> tuple[str, ...]:
    if not deps:
        return ()
    if isinstance(deps, str):
        raise TypeError(f"deps of step {step!r} must be a list of names, not one string; write deps=[{deps!r}]")
    names: list[Any] = list(deps)
    if wrong := [type(name).__name__ for name in names if not isinstance(name, str)]:
        raise TypeError(f"deps of step {step!r} must be names of steps, not {wrong[0]}")
    return tuple(dict.fromkeys([normalised(name) for name in names]))


def _checked_flags(given: dict[str, Any]) -> dict[str, bool]:
    for name, value in given.items():
        if not isinstance(value, bool):
            raise InvalidOption(name, value, "it must be True or False")
    return given


def _encoded_meta(meta: object) -> tuple[str | None, MetaNotJSON | None]:
    if meta is None:
        return None, None
    try:
        return codec.encode(meta), None
    except NotJSON as error:
        return None, MetaNotJSON(error.path, error.why)
