"""Which worker a name stands for in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from baton.core.options import Options
from baton.core.retry import Backoff
from baton.errors import DuplicateWorker


class Registered(Protocol):
    """A worker, as those who run it see it; see `baton.core.worker.Worker`."""

    name: str
    module: str
    qualname: str
    source: str | None
    options: Options
    backoff: Backoff
    executor: str
    is_transactional: bool

    @property
    def takes_context(self) -> bool: ...
    @property
    def provided(self) -> Mapping[str, Any]: ...
    def bind_json(self, args: str, references: str | None, results: Mapping[str, object]) -> dict[str, Any]: ...
    def call(self, arguments: dict[str, Any], context: Any) -> Any: ...
    def encode_result(self, value: object) -> str: ...
    def decode_result(self, text: str) -> Any: ...


# A name stands for one function; the same function may be registered again.
_workers: dict[str, Registered] = {}


def add(worker: Registered) -> None:
    """Register a worker, in place of an earlier one of the same function.

    Raises `DuplicateWorker` if the name stands for another function.
    """
    known = _workers.get(worker.name)
    if known is not None and not _is_same_function(known, worker):
        raise DuplicateWorker(worker.name, _described(known), _described(worker))
    _workers[worker.name] = worker


def get(name: str) -> Registered | None:
    """Return the worker of this name, or None if there is none in this process."""
    return _workers.get(name)


def names() -> tuple[str, ...]:
    """Return the names of all workers, sorted."""
    return tuple(sorted(_workers))


def queues() -> tuple[str, ...]:
    """Return the queues that the workers name, sorted."""
    return tuple(sorted({worker.options.queue for worker in _workers.values()}))


@contextmanager
def isolated() -> Iterator[None]:
    """Forget, on leaving, each worker registered since entering. For tests that define workers of their own."""
    before = dict(_workers)
    try:
        yield
    finally:
        _workers.clear()
        _workers.update(before)


def _is_same_function(known: Registered, worker: Registered) -> bool:
    # A file that runs as a program may be imported again under its own name, and by a child process a third time:
    # its functions are the same ones in __main__, app and __mp_main__.
    if known.qualname != worker.qualname:
        return False
    return known.module == worker.module or (known.source is not None and known.source == worker.source)


def _described(worker: Registered) -> str:
    return f"{worker.module}.{worker.qualname}"
