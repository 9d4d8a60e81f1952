"""Keys and tags of a run: what it is alone with, and what it is found by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

from msgspec.structs import asdict, replace

from baton.core.durations import Seconds, more_than_none
from baton.core.names import checked_text
from baton.core.spec import UNBOUNDED, Bounds, RunKey, RunScope, WorkflowSpec
from baton.errors import InvalidName, InvalidOption

IfRunning: TypeAlias = Literal["return", "refuse", "replace", "replace unless begun"]
"""What an insert does if another run holds the key."""
IF_RUNNING: tuple[IfRunning, ...] = get_args(IfRunning)
MOST_TAGS = 50


def checked_key(key: object, key_for: Seconds | None) -> RunKey | None:
    """Return the key of a run as it is stored. Raises `InvalidName` and `InvalidOption`."""
    if key is None:
        if key_for is not None:
            raise InvalidOption("key_for", key_for, "it says how long a key stays taken: give a key as well")
        return None
    return RunKey(checked_text("key", key), seconds=None if key_for is None else more_than_none("key_for", key_for))


def checked_tags(option: str, tags: object) -> dict[str, str] | None:
    """Return the tags of a run by name; None for none. Raises `InvalidName` and `InvalidOption`."""
    if tags is None:
        return None
    if not isinstance(tags, Mapping):
        raise InvalidOption(option, tags, 'it must be a mapping of strings, as in {"team": "red"}')
    if len(tags) > MOST_TAGS:
        raise InvalidOption(option, type(tags), f"it has {len(tags):,} tags, and at most {MOST_TAGS} are allowed")
    for name, value in tags.items():
        checked_text("tag", name)
        try:
            checked_text("tag", value)
        except InvalidName as error:
            raise InvalidOption(option, dict(tags), f"the value of {name!r} cannot be stored: {error.why}") from None
    return dict(sorted(tags.items())) or None


def run_scope(bounds: Bounds | None, key: RunKey | None, tags: dict[str, str] | None) -> Bounds | None:
    """Return what holds for a run as a whole; None for nothing."""
    if key is None and tags is None:
        return bounds
    return RunScope(**asdict(bounds or UNBOUNDED), key=key, tags=tags)


def with_policy(spec: WorkflowSpec, if_running: IfRunning | None) -> WorkflowSpec:
    """Return the workflow with what its insert does if another run holds its key; None: "return".

    Raises `InvalidOption`, also if it has no key.
    """
    if if_running is None:
        return spec
    require_policy(if_running)
    scope = spec.scope
    if not isinstance(scope, RunScope) or scope.key is None:
        raise InvalidOption("if_running", if_running, "the workflow has no key, so nothing keeps it from running")
    return replace(spec, scope=replace(scope, key=replace(scope.key, if_running=if_running)))


def require_policy(if_running: object) -> None:
    """Raises `InvalidOption` for what is not one of `IF_RUNNING`."""
    if if_running not in IF_RUNNING:
        raise InvalidOption("if_running", if_running, f"it must be one of {', '.join(map(repr, IF_RUNNING))}")


def key_of(spec: WorkflowSpec) -> RunKey | None:
    """Return the key of a workflow; None if it has none."""
    return spec.scope.key if isinstance(spec.scope, RunScope) else None
