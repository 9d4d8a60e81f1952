"""Which worker a name stands for in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from baton.errors import DuplicateWorker

if TYPE_CHECKING:
    from baton.core.worker import AnyWorker


# A name stands for one function; the same function may be registered again.
_workers: dict[str, AnyWorker] = {}


def add(worker: AnyWorker) -> None:
    """Register a worker, in place of an earlier one of the same function.

    Raises `DuplicateWorker` if the name stands for another function.
    """
    known = _workers.get(worker.name)
    if known is not None and not _is_same_function(known, worker):
        raise DuplicateWorker(worker.name, _described(known), _described(worker))
    _workers[worker.name] = worker


def get(name: str) -> AnyWorker | None:
    """Return the worker of this name, or None if there is none in this process."""
    return _workers.get(name)


def names() -> tuple[str, ...]:
    """Return the names of all workers, sorted."""
    return tuple(sorted(_workers))


@contextmanager
def isolated() -> Iterator[None]:
    """Forget, on leaving, each worker registered since entering. For tests that define workers of their own."""
    before = dict(_workers)
    try:
        yield
    finally:
        _workers.clear()
        _workers.update(before)


def _is_same_function(known: AnyWorker, worker: AnyWorker) -> bool:
    # A file that runs as a program may be imported again under its own name, and by a child process a third time:
    # its functions are the same ones in __main__, app and __mp_main__.
    if known.qualname != worker.qualname:
        return False
    return known.module == worker.module or (known.source is not None and known.source == worker.source)


def _described(worker: AnyWorker) -> str:
    return f"{worker.module}.{worker.qualname}"
