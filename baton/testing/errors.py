"""What a test can get wrong, each as a sentence that names the step or worker it is about."""

# ruff: noqa: N818  # the names say what happened, as in baton.errors

from __future__ import annotations

from collections.abc import Iterable

from baton.errors import BatonError
from baton.errors.texts import did_you_mean, quoted


class HarnessClosed(BatonError):
    """The harness was not entered, or was left."""

    says = "the harness is not open: use it inside 'async with Harness(engine) as harness'"


class DrainNeverEnds(BatonError):
    """A drain has run one step, or steps in all, more often than it may: something keeps coming back."""

    def __init__(self, step: str, workflow_id: str, times: int, last: str, remedy: str) -> None:
        super().__init__(
            f"the drain would not end: step {quoted(step)} of workflow {quoted(workflow_id)} keeps coming back; it has "
            f"run {times:,} times, and {last}; {remedy}"
        )
        self.step = step
        self.workflow_id = workflow_id
        self.times = times


class StepHangs(BatonError):
    """An attempt did not end within the time that the drain gives it."""

    def __init__(self, steps: Iterable[str], seconds: float) -> None:
        self.steps = tuple(steps)
        names = " and ".join(map(quoted, self.steps))
        super().__init__(
            f"step {names} did not end within {seconds:g} s; a step that waits for another run needs "
            f"drain(concurrency=2) or more, and one that is slow drain(patience=...)"
        )


class CannotRun(BatonError):
    """A step cannot run in this process. A pool would put it back for another process, which a test does not have."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(
            f"step {quoted(step)} cannot run in this test: {why}; import the module that defines the worker, give the "
            f"harness provide=[...], or stub the worker"
        )
        self.step = step


class WorkerNotRegistered(BatonError, LookupError):
    """No worker of this name is registered in this process."""

    def __init__(self, worker: str, known: Iterable[str]) -> None:
        super().__init__(
            f"no worker named {quoted(worker)} is registered here{did_you_mean(worker, known)}: import the module that "
            f"defines it"
        )
        self.worker = worker


class NeverReached(BatonError, AssertionError):
    """A crash was planned for a step that did not run."""

    def __init__(self, call: str, step: str, ran: Iterable[str]) -> None:
        names = tuple(dict.fromkeys(ran))
        hint = did_you_mean(step, names) or f"; what ran: {', '.join(map(quoted, names[:20])) or 'nothing'}"
        super().__init__(f"{call}({step!r}) had no effect: no step of that name ran{hint}")
        self.step = step


class NotIdempotent(BatonError, AssertionError):
    """A worker returned something else when it was run again."""

    def __init__(self, step: str, first: str, second: str) -> None:
        super().__init__(
            f"step {quoted(step)} {first} the first time and {second} the second time, although nothing says that the "
            f"first one counted; if the results may differ, write runs_twice({step!r}, same_result=False)"
        )
        self.step = step


class NotATestDatabase(BatonError):
    """The schema is in use by worker pools of other processes, so the harness refuses to empty it."""

    def __init__(self, schema: str, pools: Iterable[str]) -> None:
        super().__init__(
            f"schema {schema!r} is not emptied: it holds workflows, and worker pool {', '.join(pools)} of another "
            f"process is alive in it; give the tests a database or a schema of their own"
        )
        self.schema = schema
