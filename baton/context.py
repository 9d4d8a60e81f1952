"""What a worker may know about the attempt it is running."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

_log = logging.getLogger("baton.step")


class Results(Mapping[str, Any]):
    """The results of a step's declared dependencies by name, as plain JSON values.

    A dependency that was ignored and ended without a result has no key; a result that is None has one.
    """

    __slots__ = ("_results", "_step")

    def __init__(self, step: str, results: Mapping[str, Any]) -> None:
        self._step = step
        self._results = results

    def __getitem__(self, name: str) -> Any:
        try:
            return self._results[name]
        except KeyError:
            why = f"{name!r} is not a declared dependency of step {self._step!r}, or it ended without a result"
            raise KeyError(why) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return f"Results({dict(self._results)!r})"


class StepLog(logging.LoggerAdapter[logging.Logger]):
    """Adds workflow, step and attempt to each record, beside what the caller adds."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


@dataclass(frozen=True, slots=True)
class Context:
    """One attempt of one step. A worker that annotates a parameter with `Context` gets it."""

    workflow_id: str
    workflow_name: str | None
    step: str
    attempt: int
    """1 during the first attempt."""
    max_attempts: int
    results: Mapping[str, Any]
    """The results of the declared dependencies, by step name, as plain JSON values."""

    def __post_init__(self) -> None:
        if not isinstance(self.results, Results):
            object.__setattr__(self, "results", Results(self.step, self.results))

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of the step, and for no other step: hand it to services that ask for one."""
        return f"{self.workflow_id}/{self.step}"

    @property
    def log(self) -> StepLog:
        """The logger `baton.step`; its records carry `workflow_id`, `workflow_name`, `step` and `attempt`."""
        facts = {
            "workflow_id": self.workflow_id,
            "workflow_name": self.workflow_name,
            "step": self.step,
            "attempt": self.attempt,
        }
        return StepLog(_log, facts)
