"""Workers that this process does not know, as a template describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from baton.core.arguments import EncodedArguments
from baton.core.json_arguments import fill_holes, read_arguments
from baton.core.options import worker_options
from baton.core.places import Path
from baton.core.retry import as_backoff
from baton.core.worker import AnyWorker, Worker


class WorkerDescription(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What of a worker decides about the steps that are inserted for it."""

    queue: str = "default"
    priority: int = 0
    max_attempts: int = 20
    timeout: float | None = None
    takes_context: bool = False


def description_of(worker: AnyWorker) -> WorkerDescription:
    options = worker.options
    return WorkerDescription(
        options.queue, options.priority, options.max_attempts, options.timeout, worker.takes_context
    )


class DescribedWorker(Worker[..., ..., Any]):
    """A worker of another process. Its function is not here, so the types of its arguments are not checked."""

    def __init__(self, name: str, said: WorkerDescription) -> None:
        options = worker_options(said.queue, said.priority, said.max_attempts, said.timeout)
        super().__init__(_is_elsewhere, name, options, as_backoff(None), "async")
        self._said = said

    @property
    def takes_context(self) -> bool:
        return self._said.takes_context

    @property
    def result_type(self) -> Any:
        return Any

    def parameter_type(self, parameter: str) -> Any:  # noqa: ARG002  # nothing is known of any
        return Any

    def may_lack(self, path: Path) -> bool:  # noqa: ARG002
        return True

    def read(self, arguments: Mapping[str, Any]) -> EncodedArguments:
        return read_arguments(self.name, arguments, None)

    def fill_holes(self, arguments: EncodedArguments, values: Mapping[str, Any]) -> EncodedArguments:
        return fill_holes(self.name, arguments, values, None)


async def _is_elsewhere(**arguments: Any) -> Any:
    raise NotImplementedError
