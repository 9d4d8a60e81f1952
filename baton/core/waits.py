"""Steps without a worker: they wait for a signal, or for a time. They hold no slot and cost nothing while they wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from baton.core import codec
from baton.core.durations import Seconds, more_than_none, seconds
from baton.core.names import checked_text
from baton.core.options import checked_time
from baton.core.references import NO_DEFAULT
from baton.core.spec import MessageSpec, RunSpec, SignalSpec, TimerSpec, WaitSpec
from baton.core.type_names import named_type
from baton.errors import InvalidOption


class Wait:
    """A step that waits in place of running a worker: what `Baton.add` takes besides jobs and workflows."""

    __slots__ = ("kind", "spec")

    def __init__(self, spec: WaitSpec, kind: Any) -> None:
        self.spec = spec
        self.kind = kind
        """The type of its result."""

    @property
    def worker(self) -> str:
        """What stands in the place of a worker's name."""
        return worker_of(self.spec)

    @property
    def in_words(self) -> str:
        """What it waits for, for a picture."""
        match self.spec:
            case TimerSpec(until=datetime() as until):
                return f"until {until:%Y-%m-%d %H:%M} UTC"
            case TimerSpec(seconds=limit):
                return f"{limit:g} s"
            case SignalSpec(seconds=limit):
                return "signal" if limit is None else f"signal within {limit:g} s"
            case MessageSpec(topic=topic, seconds=limit):
                return f"message of {topic}" + ("" if limit is None else f" within {limit:g} s")
            case RunSpec(id=run):
                return f"run {run}"

    def written(self) -> tuple[tuple[str, Any], ...]:
        """Return what the fingerprint takes of it."""
        written = msgspec.to_builtins(self.spec)
        # The name of a class depends on where it is imported from.
        return (("awaits", {name: value for name, value in written.items() if name != "kind"}),)


def worker_of(spec: WaitSpec) -> str:
    """Return what stands in the place of a worker's name."""
    return f"baton.{spec.__struct_config__.tag}"


class Signal(Wait):
    """A step that waits for a signal: the answer of a person, or a call from another system.

    It completes with the value that `Run.signal` or `baton.signal` sends to it. While it waits there is nothing that
    runs, polls or counts as an attempt, and no worker pool has to serve a queue for it. A signal that comes before the
    step waits is kept for it.

    Args:
        kind: the type of the value, with which `Run.signal` checks it where the type is known. Left out, any JSON.
        timeout: how long it waits, in seconds or as a `timedelta`, from its release, when all its dependencies are
            done. Left out, without end.
        default: the result if no signal comes in that time. Left out, the step is discarded then.

    Raises `InvalidOption` and `TypeError`.
    """

    __slots__ = ()

    def __init__(self, kind: Any = Any, *, timeout: Seconds | None = None, default: Any = NO_DEFAULT) -> None:
        decoder = codec.decoder_of("Signal", "its value", kind)
        super().__init__(SignalSpec(named_type(kind), *_time_limit(decoder, timeout, default)), kind)


class Receive(Wait):
    """A step that takes the oldest message of a topic that no other step of its workflow took.

    It completes with the value of that message, which `Run.send` or `baton.send` sent, before or after the step began
    to wait. The message belongs to the step: no attempt of a worker can lose it.

    Args:
        topic: which messages of its workflow it takes.
        kind, timeout, default: as those of `Signal`.

    Raises `InvalidName`, `InvalidOption` and `TypeError`.
    """

    __slots__ = ()

    def __init__(
        self, topic: str, kind: Any = Any, *, timeout: Seconds | None = None, default: Any = NO_DEFAULT
    ) -> None:
        decoder = codec.decoder_of("Receive", "its message", kind)
        limit = _time_limit(decoder, timeout, default)
        super().__init__(MessageSpec(checked_text("topic", topic), named_type(kind), *limit), kind)


class AnotherRun:
    """What `Run` is to the graph of a workflow: a step may wait for its end."""

    id: str
    may_come_within: float | None = None

    def end(self) -> Wait:
        """Return the step that waits for its end."""
        return Wait(RunSpec(self.id, self.may_come_within), Any)


class Timer(Wait):
    """A step that waits for a time, and completes with None.

    `Timer(hours=1)` counts from its release, when all its dependencies are done; `Timer(until=…)` is a time with its
    time zone. No worker pool has to serve a queue for it, but one has to run.

    Raises `InvalidOption`.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        until: datetime | None = None,
    ) -> None:
        given = {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
        if until is not None:
            if any(given.values()):
                raise InvalidOption("until", until, "give either a time or a duration")
            super().__init__(TimerSpec(until=checked_time("until", until)), None)
            return
        super().__init__(TimerSpec(seconds=_duration(given)), None)


def _duration(given: Mapping[str, float]) -> float:
    for option, value in given.items():
        if value:
            seconds(option, value)
    if not any(given.values()):
        raise InvalidOption("seconds", 0, "give a duration, as in Timer(hours=1), or a time, as in Timer(until=...)")
    return seconds("seconds", timedelta(**given))


def _time_limit(decoder: codec.Decoder, timeout: Seconds | None, default: Any) -> tuple[float | None, str | None]:
    limit = None if timeout is None else more_than_none("timeout", timeout)
    if default is NO_DEFAULT:
        return limit, None
    if limit is None:
        raise InvalidOption("default", default, "it is the result when the time is up; give a timeout as well")
    text = codec.encode(default)
    try:
        decoder.decode(text)
    except msgspec.ValidationError as error:
        raise InvalidOption("default", default, f"it is not of the step's type: {error}") from None
    return limit, text
