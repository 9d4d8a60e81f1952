"""Which functions may be workers, and where each runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from baton.core.names import checked_name
from baton.errors import InvalidName, InvalidOption


def check_function(function: Any) -> None:
    """Raise `TypeError` for what cannot be a worker."""
    if not inspect.isfunction(function):
        raise TypeError(f"@worker takes a function, not {type(function).__name__}: {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"worker {function.__qualname__!r} is a generator; a worker returns its result as one value")


def own_name(function: Callable[..., Any]) -> str:
    """Return the name a worker has if it is given none."""
    if function.__name__ == "<lambda>":
        raise TypeError("a lambda has no name of its own; register it with worker(name=...)")
    return function.__name__


def executor_for(function: Callable[..., Any], executor: str | None) -> str:
    """Return where a function runs: "async", "thread", "process", or in the executor of that name.

    Raises `InvalidOption` for what is no name, `TypeError` for a function that cannot run there.
    """
    is_async = inspect.iscoroutinefunction(function)
    name = function.__qualname__
    if executor is None:
        return "async" if is_async else "thread"
    if executor == "async":
        if not is_async:
            raise TypeError(f"worker {name!r} is not async and would block the event loop; use executor='thread'")
        return executor
    _check_executor_name(executor)
    if is_async:
        raise TypeError(f"worker {name!r} is async and runs in the event loop; leave out executor={executor!r}")
    if executor != "thread" and "<" in name:
        raise TypeError(f"worker {name!r} cannot be imported by another process; define it at a module's top level")
    return executor


def check_transactional(function: Callable[..., Any], executor: str) -> None:
    """Raise `TypeError` if the function cannot run in a transaction of the pool's."""
    if executor != "async":
        raise TypeError(
            f"worker {function.__qualname__!r} is transactional and not async: its connection belongs to the event "
            f"loop; write async def, or leave out transactional=True"
        )


def source_of(function: Callable[..., Any]) -> str | None:
    """Return the file a function was read from, or None if it came from none."""
    file = inspect.unwrap(function).__code__.co_filename
    return None if file.startswith("<") else str(Path(file).resolve())


def _check_executor_name(executor: object) -> None:
    try:
        checked_name("executor", executor)
    except InvalidName as error:
        why = f"it must be 'async', 'thread', 'process', or the name of one of WorkerPool(executors=...): {error.why}"
        raise InvalidOption("executor", executor, why) from None
