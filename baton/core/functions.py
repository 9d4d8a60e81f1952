"""Which functions may be workers, and where each runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from baton.core.names import checked_name
from baton.errors import InvalidName, InvalidOption


def check_function(function: Any) -> None:
    """Raise `TypeError` for what cannot be a worker, with what to write instead."""
    if not inspect.isfunction(function):
        raise TypeError(f"@worker takes a function, and this is {_described(function)}")
    name = function.__qualname__
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"worker {name!r} is a generator; a worker returns its result as one value")
    if _is_method(function):
        raise TypeError(
            f"worker {name!r} is a method; there is no object to call it on when a job of it runs, perhaps in another "
            f"process: write a function outside the class, and pass what it needs as arguments"
        )


def hint_at_job(value: Any) -> str:
    """Return what to write in place of a value that is not a job, to be added to an error message."""
    if inspect.iscoroutine(value):
        value.close()
        name = value.__name__
        return f": {name}(...) calls the function; write {name}.new(...), which makes a job of the call"
    if callable(value):
        return "; register it with @worker and add function.new(...)"
    return ": if it is what a worker returned, write worker.new(...) in place of the call worker(...)"


def own_name(function: Callable[..., Any]) -> str:
    """Return the name a worker has if it is given none."""
    if function.__name__ == "<lambda>":
        raise TypeError("a lambda has no name of its own; register it with worker(name=...)")
    return function.__name__


def executor_for(function: Callable[..., Any], executor: str | None) -> str:
    """Return where a function runs: "async", "thread", "process", or in the executor of that name.

    Raises `InvalidOption` for what is not a name, `TypeError` for a function that cannot run there.
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
    """Raise `TypeError` if the function cannot run in a transaction of its pool."""
    if executor != "async":
        raise TypeError(
            f"worker {function.__qualname__!r} is transactional and not async: its connection belongs to the event "
            f"loop; write async def, or leave out transactional=True"
        )


def fatal_types(given: Sequence[type[BaseException]]) -> tuple[type[BaseException], ...]:
    """Return the types of errors that discard a step at once. Raises `InvalidOption` for what is not such a list."""
    why = "it must be a list of exception types, as in fatal=[NotFound]"
    if isinstance(given, type | str) or not isinstance(given, Sequence):
        raise InvalidOption("fatal", given, why)
    kinds: tuple[Any, ...] = tuple(given)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise InvalidOption("fatal", given, why)
    return kinds


def _is_method(function: Callable[..., Any]) -> bool:
    around = function.__qualname__.rpartition(".")[0]
    if not around or around.endswith("<locals>"):
        return False
    # In the body of a class a static method is a function like any other.
    return next(iter(inspect.signature(function).parameters), None) in ("self", "cls")


def _described(value: Any) -> str:
    """Return what was given in place of a function, and what to write instead."""
    match value:
        case staticmethod() | classmethod():
            return f"a {type(value).__name__} object; write @staticmethod above @worker"
        case functools.partial():
            return "a functools.partial; write a function that calls it"
        case type():
            return f"the class {value.__qualname__}; write a function that makes and uses it"
        case _:
            pass
    if inspect.ismethod(value):
        return f"the method {value.__qualname__}; write a function that calls it on an object of its own"
    if inspect.iscoroutine(value):
        value.close()
        return f"a coroutine, the call {value.__qualname__}(); give the function itself, without calling it"
    if inspect.isgenerator(value) or inspect.isasyncgen(value):
        return f"a generator, the call {value.__qualname__}(); a worker returns its result as one value"
    return f"{value!r}, of type {type(value).__name__}; put what it does into a function"


def _check_executor_name(executor: object) -> None:
    try:
        checked_name("executor", executor)
    except InvalidName as error:
        why = f"it must be 'async', 'thread', 'process', or the name of one of WorkerPool(executors=...): {error.why}"
        raise InvalidOption("executor", executor, why) from None
