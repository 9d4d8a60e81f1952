"""The fingerprint of a workflow: a hash of what its caller wrote.

An insert whose answer was lost may be sent again under the same id. If the fingerprints are equal it is the same
workflow; otherwise it is another one, and the id is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from baton.core.holes import Hole
from baton.core.options import GivenOptions, without_holes
from baton.core.references import Placed
from baton.core.spec import Bounds

VERSION = "1"
"""The beginning of each fingerprint. It changes whenever the hashed form does, so that old fingerprints never match."""


class WrittenStep(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the caller wrote about one step; it is encoded as a list of its fields."""

    name: str
    worker: str
    args: str
    """The arguments as JSON in an order of keys that does not depend on how they were built."""
    references: tuple[tuple[tuple[str | int, ...], str], ...]
    dependencies: tuple[str, ...]
    """Names, sorted."""
    flags: tuple[bool, bool, bool]
    """ignore_cancelled, ignore_discarded and ignore_skipped, as they hold for the step."""
    options: tuple[tuple[str, Any], ...]
    """Those given to the job itself, by name, sorted."""
    each: tuple[str, ...] = ()
    """The arguments that get one item each; of a group, `returns` is an option."""


def fingerprint(steps: Iterable[WrittenStep], returns: str | None = None, scope: Bounds | None = None) -> str:
    """Return the fingerprint of a workflow; the order of its steps does not count."""
    # The steps one by one, as there may be a million of them.
    written = sha256()
    for digest in sorted([sha256(msgspec.json.encode(step)).digest() for step in steps]):
        written.update(digest)
    if returns is not None:
        written.update(f"returns {returns}".encode())
    if scope is not None:
        written.update(b"scope " + msgspec.json.encode(scope))
    return f"{VERSION}:{written.hexdigest()}"


def written_references(
    placed: tuple[Placed, ...], holes: tuple[Hole, ...]
) -> tuple[tuple[tuple[str | int, ...], str], ...]:
    """Return references, and the holes of a map of a workflow, in the form in which they are hashed."""
    if not placed and not holes:
        return ()
    written = [(reference.path, reference.step) for reference in placed]
    return (*written, *[((*hole.path, "param"), hole.name) for hole in holes])


def written_options(given: GivenOptions) -> tuple[tuple[str, Any], ...]:
    """Return options in the form in which they are hashed: delays as seconds, times in UTC. Holes are references."""
    return tuple(sorted((name, _written(value)) for name, value in without_holes(given).items())) if given else ()


def _written(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
