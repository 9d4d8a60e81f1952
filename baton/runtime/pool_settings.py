"""The settings of a worker pool: checked when the pool is made, unchanged as long as it lives."""

from __future__ import annotations

import inspect
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from baton.core.options import Seconds, at_least_one, checked_queues, more_than_none, seconds
from baton.errors import InvalidOption
from baton.events import Observer
from baton.runtime.application_executors import checked_executors
from baton.runtime.resources import Provider, checked_providers


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """What a pool was given, or takes in its place; durations are seconds. See `WorkerPool`."""

    name: str
    queues: Mapping[str, int]
    lease: float
    poll: float
    grace: float
    max_block: float
    keep: timedelta | None
    misfit: float | None
    redact: Callable[[str], str] | None
    threads: int
    processes: int
    executors: Mapping[str, Executor]
    connections: int
    providers: Mapping[Any, Provider]
    observers: Sequence[Observer]


def pool_settings(
    *,
    queues: Mapping[str, int] | None,
    name: str | None,
    lease: Seconds,
    poll: Seconds,
    grace: Seconds,
    keep: Seconds | None,
    misfit: Seconds | None,
    max_block: Seconds,
    redact: Callable[[str], str] | None,
    threads: int | None,
    processes: int | None,
    executors: Mapping[str, Executor] | None,
    connections: int | None,
    provide: Sequence[Provider],
    observers: Sequence[Observer],
) -> PoolSettings:
    """Return checked settings. Raises `InvalidOption` for the first one that cannot be used."""
    slots = checked_queues(queues)
    return PoolSettings(
        name=name or f"{socket.gethostname()}:{os.getpid()}",
        queues=slots,
        lease=more_than_none("lease", lease),
        poll=more_than_none("poll", poll),
        grace=seconds("grace", grace),
        max_block=more_than_none("max_block", max_block),
        misfit=None if misfit is None else seconds("misfit", misfit),
        keep=None if keep is None else timedelta(seconds=seconds("keep", keep)),
        redact=redact,
        threads=at_least_one("threads", threads) or sum(slots.values()),
        processes=at_least_one("processes", processes) or os.cpu_count() or 1,
        executors=checked_executors(executors),
        connections=at_least_one("connections", connections) or sum(slots.values()),
        providers=checked_providers(provide),
        observers=_checked_observers(observers),
    )


def _checked_observers(observers: Sequence[Observer]) -> Sequence[Observer]:
    for observer in observers:
        if not callable(observer):
            raise InvalidOption("observers", observer, "an observer is a function that takes an event")
        if inspect.iscoroutinefunction(observer) or inspect.iscoroutinefunction(type(observer).__call__):
            raise InvalidOption(
                "observers",
                observer,
                "it is async, and an observer is a plain function; let it put the event into a queue that a task of "
                "yours reads",
            )
    return tuple(observers)
