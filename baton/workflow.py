"""`Baton`: builds a workflow of named steps, checks it, and inserts it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from baton.core import codec
from baton.core.expansion import Expandable, Expansion
from baton.core.names import checked_name, checked_text, drawn_id, normalised
from baton.core.portable import portable
from baton.core.spec import Flags, WorkflowSpec
from baton.errors import DuplicateStep, InvalidOption, NotJSON
from baton.faults import MetaNotJSON
from baton.layout import Added, Draft, Layout
from baton.run import Run, insert_workflow, insert_workflows, limits_here
from baton.worker import Job, Worker

if TYPE_CHECKING:
    from baton.database.joining import Joinable
    from baton.engine import Engine


class Baton(Expandable):
    """A workflow that is being built. Nothing of it is stored before `insert`.

    A worker may return one: then it takes the place of its step, which becomes a group.
    """

    def __init__(self, workflow_id: str, name: str | None, flags: Flags, meta: object, *, debug: bool) -> None:
        self._id = workflow_id
        self._name = name
        self._flags = flags
        self._debug = debug
        self._meta, self._meta_fault = _encoded_meta(meta)
        self._draft = Draft()

    @classmethod
    def new(
        cls,
        *,
        workflow_id: str | None = None,
        workflow_name: str | None = None,
        ignore_cancelled: bool = False,
        ignore_discarded: bool = False,
        ignore_skipped: bool = False,
        debug: bool = False,
        meta: object = None,
    ) -> Baton:
        """Begin a workflow.

        `workflow_id` is any non-empty string of at most 200 characters; left out, a UUID is drawn now, so inserting
        this object twice inserts one workflow. The flags hold for each step that is not given its own. `meta` is any
        JSON value, kept beside the workflow.

        Raises `InvalidName` and `InvalidOption`.
        """
        identity = drawn_id() if workflow_id is None else checked_text("workflow", workflow_id)
        name = None if workflow_name is None else checked_text("workflow", workflow_name)
        given = {"ignore_cancelled": ignore_cancelled, "ignore_discarded": ignore_discarded}
        flags = Flags(**_checked_flags(given | {"ignore_skipped": ignore_skipped}))
        return cls(identity, name, flags, meta, **_checked_flags({"debug": debug}))

    def __repr__(self) -> str:
        return f"<Baton {self._id!r} with {len(self._draft.steps)} steps>"

    def add(
        self,
        name: str,
        what: Job | Baton,
        *,
        deps: Iterable[str] = (),
        ignore_cancelled: bool | None = None,
        ignore_discarded: bool | None = None,
        ignore_skipped: bool | None = None,
    ) -> Baton:
        """Add a step and return the builder.

        `what` is a job, or another `Baton`: then the step is a group, and the steps of that one are its children, named
        `name/...`. Names in it stand for steps in it first, then for those around it; its first steps wait for what the
        group waits for. What is added to it later, before this workflow is inserted, counts as well.

        `deps` are the names of steps to wait for, which may be added later; the steps whose results are arguments
        of the job are waited for as well. The flags say which unfavourable ends of a dependency count as done; None
        takes the workflow's.

        Raises `DuplicateStep`, `InvalidName`, `InvalidOption` and `TypeError`; the builder is unchanged then.
        """
        key = checked_name("step", name)
        if key in self._draft.steps:
            raise DuplicateStep(key)
        added = _what(key, what)
        flags = self._flags_with(ignore_cancelled, ignore_discarded, ignore_skipped)
        self._draft.steps[key] = Added(key, added, _names(key, deps), flags)
        return self

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
        layout = self._layout()
        return [layout.names[position] for position in layout.graph.order]

    def spec(self) -> WorkflowSpec:
        """Return the workflow as it is handed to the database. Raises `InvalidWorkflow`."""
        layout = self._layout()
        return WorkflowSpec(
            self._id, self._name, layout.fingerprint(), self._debug, self._meta, layout.specs(), layout.returns
        )

    def expansion(self) -> Expansion:
        """Return the workflow as what takes the place of a step whose worker returned it. Raises `InvalidWorkflow`."""
        layout = Layout(self._draft, is_open=True)
        return Expansion(tuple(layout.specs()), layout.children, layout.returns)

    def to_json(self) -> str:
        """Return the workflow as JSON text, for connections that `insert` does not take: synchronous ones above all.

        Any driver inserts it with `select * from baton.insert_workflow_json($1)`, in its own transaction. The function
        returns `key`, `id` and `is_new`, which is false if the id exists with the same graph; if it exists with another
        one, it raises a unique violation. Raises `InvalidWorkflow`.
        """
        return portable(self.spec(), limits_here())

    async def insert(self, using: Engine | Joinable | None = None) -> Run:
        """Validate the workflow, write it in one transaction or not at all, and return its run.

        `using` is an `Engine`; left out, the one entered last; or the caller's own asyncpg connection, asynchronous
        psycopg connection, or SQLAlchemy `AsyncSession` or `AsyncConnection`: then the workflow commits or rolls back
        with the caller's transaction, and nothing is retried. An id that exists gives the run that exists if the graph
        is the same.

        Raises `InvalidWorkflow`; `WorkflowExists` if the id belongs to another graph; `NoTransaction` if the session is
        in AUTOCOMMIT.
        """
        return await insert_workflow(self.spec(), using)

    def _layout(self) -> Layout:
        return Layout(self._draft, faults=[self._meta_fault] if self._meta_fault is not None else ())

    def _flags_with(self, *given: bool | None) -> Flags:
        """Return the workflow's flags, with those that were given in their places."""
        if given == (None, None, None):
            return self._flags
        own = {name: value for name, value in zip(Flags.__struct_fields__, given, strict=True) if value is not None}
        return replace(self._flags, **_checked_flags(own))


async def insert_many(workflows: Iterable[Baton | Job], using: Engine | Joinable | None = None) -> list[Run]:
    """Insert many workflows, or single jobs, in one transaction or none of them; return their runs in the same order.

    For many small ones: few calls and one commit for all of them. `using` is as in `Baton.insert`. They go in by their
    ids, jobs last; and while some are written the next ones are made, which does not hold up the event loop for long.

    Raises `InvalidWorkflow` for one that has faults, and `WorkflowExists` if an id belongs to another graph.
    """
    given = list(workflows)
    # In one order, whatever the order they are given in: who inserts the same ones elsewhere waits, with no deadlock.
    order = sorted(range(len(given)), key=lambda place: _known_id(given[place]))
    runs = await insert_workflows([given[place].spec for place in order], using)
    placed = dict(zip(order, runs, strict=True))
    return [placed[place] for place in range(len(given))]


def _known_id(workflow: Baton | Job) -> tuple[bool, str]:
    # A job's id is drawn when its turn comes, and nobody else has it.
    return (False, workflow._id) if isinstance(workflow, Baton) else (True, "")


def _what(step: str, what: object) -> Job | Draft:
    match what:
        case Job():
            return what
        case Baton():
            return what._draft
        case Worker():
            hint = f"; did you mean {what.name}.new(...)?"
        case _:
            hint = "; register it with @worker and add function.new(...)" if callable(what) else ""
    raise TypeError(f"step {step!r} must be a job or a Baton, not {type(what).__name__}{hint}")


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
