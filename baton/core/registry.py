"""Which worker a name stands for in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from baton.core.origin import Origin, is_same_function, made_by_one_definition
from baton.errors import DuplicateWorker

if TYPE_CHECKING:
    from baton.core.worker import AnyWorker

_BUILT_IN = {"baton.llm.answers": "baton.llm.fan_out", "baton.llm.outcome": "baton.llm.fan_out"}
"""Workers of this package, with the module of each: every pool runs them, whatever its application imports."""

# A name stands for one function; the same function may be registered again.
_workers: dict[str, AnyWorker] = {}


def add(worker: AnyWorker) -> None:
    """Register a worker, in place of an earlier one of the same function.

    Raises `DuplicateWorker` if the name stands for another function.
    """
    known = _workers.get(worker.name)
    if known is not None and not is_same_function(known.origin, worker.origin):
        raise _duplicate(worker.name, known.origin, worker.origin)
    _workers[worker.name] = worker


def replace(worker: AnyWorker) -> None:
    """Register a worker in place of the one of the same name, whatever its function. For tests, inside `isolated`."""
    _workers[worker.name] = worker


def get(name: str) -> AnyWorker | None:
    """Return the worker of this name, or None if there is none in this process."""
    if name not in _workers and name in _BUILT_IN:
        import_module(_BUILT_IN[name])
    return _workers.get(name)


def names() -> tuple[str, ...]:
    """Return the names of all workers, sorted."""
    return tuple(sorted(_workers))


def queues() -> tuple[str, ...]:
    """Return the queues that the workers name, sorted."""
    return tuple(sorted({worker.options.queue for worker in _workers.values()}))


@contextmanager
def isolated() -> Iterator[None]:
    """Undo, on leaving, what was registered since entering. For tests that define or replace workers."""
    before = dict(_workers)
    try:
        yield
    finally:
        _workers.clear()
        _workers.update(before)


def _duplicate(name: str, known: Origin, new: Origin) -> DuplicateWorker:
    first, second = str(known), str(new)
    if made_by_one_definition(known, new):
        why = (
            f"one definition, {known.place}, made both, and what it encloses differs: a factory, or a decorator "
            f"without functools.wraps"
        )
        return DuplicateWorker(name, first, second, why)
    if first == second:
        first, second = f"{first} ({known.place})", f"{second} ({new.place})"
    return DuplicateWorker(name, first, second)
