"""The settings of a worker pool: checked when the pool is made, unchanged as long as it lives."""

from __future__ import annotations

import inspect
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from baton.core.durations import Seconds, more_than_none, seconds
from baton.core.options import at_least_one, checked_list, checked_option_name, checked_queues
from baton.core.usage.prices import PriceSource
from baton.errors import InvalidOption
from baton.events import Observer
from baton.runtime.application_executors import checked_executors
from baton.runtime.resources import Provider, checked_providers

MOST_CONNECTIONS = 1_000
"""For transactional workers. asyncpg keeps an object for each, whether it is opened or not."""


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
    keep_usage: timedelta | None
    keep_debug: timedelta | None
    misfit: float | None
    redact: Callable[[str], str] | None
    errors_show_input: bool
    threads: int
    processes: int
    executors: Mapping[str, Executor]
    connections: int
    providers: Mapping[Any, Provider]
    observers: Sequence[Observer]
    prices: PriceSource | None

    def with_observer(self, observer: Observer) -> PoolSettings:
        """Return settings with one more observer. Raises `InvalidOption`."""
        return replace(self, observers=_checked_observers([*self.observers, observer]))


def pool_settings(
    *,
    queues: Mapping[str, int] | None,
    name: str | None,
    lease: Seconds,
    poll: Seconds,
    grace: Seconds,
    keep: Seconds | None,
    keep_usage: Seconds | None,
    keep_debug: Seconds | None,
    misfit: Seconds | None,
    max_block: Seconds,
    redact: Callable[[str], str] | None,
    errors_show_input: bool,
    threads: int | None,
    processes: int | None,
    executors: Mapping[str, Executor] | None,
    connections: int | None,
    provide: Sequence[Provider],
    observers: Sequence[Observer],
    prices: PriceSource | None,
) -> PoolSettings:
    """Return checked settings. Raises `InvalidOption` for the first one that cannot be used."""
    slots = checked_queues(queues)
    return PoolSettings(
        name=checked_option_name("name", name or f"{socket.gethostname()}:{os.getpid()}"),
        queues=slots,
        lease=more_than_none("lease", lease),
        poll=more_than_none("poll", poll),
        grace=seconds("grace", grace),
        max_block=more_than_none("max_block", max_block),
        misfit=None if misfit is None else seconds("misfit", misfit),
        keep=None if keep is None else timedelta(seconds=seconds("keep", keep)),
        keep_usage=None if keep_usage is None else timedelta(seconds=seconds("keep_usage", keep_usage)),
        keep_debug=None if keep_debug is None else timedelta(seconds=seconds("keep_debug", keep_debug)),
        redact=_checked_redact(redact),
        errors_show_input=errors_show_input,
        threads=at_least_one("threads", threads) or sum(slots.values()),
        processes=at_least_one("processes", processes) or os.cpu_count() or 1,
        executors=checked_executors(executors),
        connections=_checked_connections(connections) or min(sum(slots.values()), MOST_CONNECTIONS),
        providers=checked_providers(provide),
        observers=_checked_observers(observers),
        prices=_checked_prices(prices),
    )


def _checked_connections(connections: int | None) -> int | None:
    if connections is not None and type(connections) is int and connections > MOST_CONNECTIONS:
        raise InvalidOption("connections", connections, f"a pool opens at most {MOST_CONNECTIONS:,} for its workers")
    return at_least_one("connections", connections)


def _checked_redact(redact: Callable[[str], str] | None) -> Callable[[str], str] | None:
    if redact is not None and not callable(redact):
        raise InvalidOption("redact", redact, "it must be a function that takes a text and returns what may be stored")
    return redact


def _checked_prices(prices: object) -> PriceSource | None:
    if prices is None or (callable(prices) and not inspect.iscoroutinefunction(prices)):
        return prices
    why = "it must be a plain function that takes a Usage and returns its cost, or None; or a PriceTable"
    raise InvalidOption("prices", prices, why)


def _checked_observers(observers: Sequence[Observer]) -> Sequence[Observer]:
    for observer in checked_list("observers", observers, "note_event"):
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
