"""Stubs: functions of a test that take the place of workers, under their names and with their options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any

from baton.core import registry
from baton.core.worker import AnyWorker, Worker
from baton.errors.texts import did_you_mean
from baton.testing.errors import WorkerNotRegistered

_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def registered(worker: AnyWorker | str) -> AnyWorker:
    """Return the worker that is registered under this name, or the name of this worker.

    Raises: WorkerNotRegistered.
    """
    name = worker.name if isinstance(worker, Worker) else worker
    if (known := registry.get(name)) is None:
        raise WorkerNotRegistered(name, registry.names())
    return known


def stubbed(worker: AnyWorker, function: Callable[..., Any]) -> AnyWorker:
    """Return a worker like this one that calls `function`, which may be async and may take fewer arguments.

    It runs in the event loop, wherever the worker itself would run.

    Raises: TypeError if `function` takes something that the worker is not given.
    """
    provided = worker.provided
    whole = inspect.signature(worker.function)
    own = whole.replace(parameters=[one for one in whole.parameters.values() if one.name not in provided])
    chosen = _chosen_arguments(worker, own, function)

    async def stand_in(*args: Any, **kwargs: Any) -> Any:
        bound = own.bind(*args, **kwargs)
        bound.apply_defaults()
        value = function(*args, **kwargs) if chosen is None else function(**_only(bound.arguments, chosen))
        return await value if inspect.isawaitable(value) else value

    functools.update_wrapper(stand_in, worker.function)
    # What the pool provides is not an argument of a stub, so a test need not provide it.
    stand_in.__signature__ = own  # type: ignore[attr-defined]
    return Worker(stand_in, worker.name, worker.options, worker.backoff, "async", worker.is_transactional)


def _chosen_arguments(worker: AnyWorker, own: inspect.Signature, function: Callable[..., Any]) -> frozenset[str] | None:
    """Return the arguments that `function` takes by name; None if it takes them as the worker does."""
    try:
        taken = inspect.signature(function).parameters
    except (ValueError, TypeError):  # a built-in function does not say what it takes, nor do some mocks
        return None
    names = frozenset(own.parameters)
    if any(one.kind in _VARIADIC for one in (*taken.values(), *own.parameters.values())):
        return None
    for name, one in taken.items():
        if name not in names and one.default is Parameter.empty:
            hint = did_you_mean(name, names) or f"; it is given {', '.join(names) or 'nothing'}"
            raise TypeError(f"the stub for worker {worker.name!r} takes {name!r}, which the worker is not given{hint}")
    return frozenset(taken) & names


def _only(arguments: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name in names}
