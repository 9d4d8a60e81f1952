"""Steps that wait, as templates have them: what is JSON text elsewhere is a part of the document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from baton.core import codec
from baton.core.durations import seconds
from baton.core.names import checked_text
from baton.core.references import NO_DEFAULT
from baton.core.spec import MessageSpec, RunSpec, SignalSpec, TimerSpec, WaitSpec
from baton.core.type_names import known_type
from baton.core.waits import Receive, Signal, Timer, Wait

_TEXTS = ("kind", "default")
"""Fields that are JSON text in a spec."""


def written_wait(spec: WaitSpec) -> dict[str, Any]:
    """Return what a step waits for as the field `awaits`."""
    fields: dict[str, Any] = msgspec.to_builtins(spec)
    return {name: codec.decode(value) if name in _TEXTS else value for name, value in fields.items()}


def read_wait(fields: Mapping[str, Any]) -> Wait:
    """Return the step of a field `awaits`, checked as one that is built in Python.

    Raises `InvalidOption`, `InvalidName`, `TypeError` and `msgspec.ValidationError`.
    """
    texts = {name: codec.encode(fields[name]) for name in _TEXTS if name in fields}
    spec: WaitSpec = msgspec.convert({**fields, **texts}, WaitSpec)
    if unknown := fields.keys() - {"type", *spec.__struct_fields__}:
        raise TypeError(f"a step that awaits a {fields['type']} has no field {min(unknown)!r}")
    kind = known_type(getattr(spec, "kind", None))
    default = codec.decode(texts["default"]) if "default" in texts else NO_DEFAULT
    match spec:
        case SignalSpec(seconds=limit):
            Signal(kind, timeout=limit, default=default)
        case MessageSpec(topic=topic, seconds=limit):
            Receive(topic, kind, timeout=limit, default=default)
        case TimerSpec(seconds=limit, until=until):
            checked = Timer(until=until) if limit is None else Timer(seconds=limit, until=until)
            return Wait(checked.spec, None)
        case RunSpec(id=run, within=within):
            checked_text("workflow", run)
            if within is not None:
                seconds("within", within)
    return Wait(spec, kind)
