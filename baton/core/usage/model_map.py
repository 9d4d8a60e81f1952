"""Model maps: which language model each step asks.

A map holds for one scope, the workflow or a group. Its keys are names of steps and of groups in it, names of workers,
and "*" for every other step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import TypeAlias, TypeVar, cast

from msgspec.structs import replace

from baton.core.fingerprint import VERSION
from baton.core.holes import Param
from baton.core.names import checked_name, checked_text
from baton.core.spec import UNBOUNDED, WorkflowSpec
from baton.errors import InvalidName, InvalidOption

T = TypeVar("T")
ModelMap: TypeAlias = Mapping[str, str]
ANY = "*"
_NUMBERS = re.compile(r"\[[^\]]*\]")
MOST_CHARACTERS = 200
AT_INSERT = "/"
"""In the place of a group's name: the map that was given with the insert, which goes before all others."""


def checked_models(models: object) -> dict[str, str]:
    """Return a model map as it is stored, sorted by key. Raises `InvalidOption`.

    In a template a hole may stand for a model.
    """
    if not isinstance(models, Mapping):
        why = "it names a model for steps, as in {'summarise': 'gpt-5', '*': 'gpt-5-mini'}"
        raise InvalidOption("models", models, why)
    checked: dict[str, str] = {}
    for name, model in models.items():
        key = _checked_key("models", name)
        if isinstance(model, Param):
            checked[key] = cast("str", model)
            continue
        if not isinstance(model, str) or not model.strip() or len(model) > MOST_CHARACTERS:
            why = f"the model for {name!r} must be a text of at most {MOST_CHARACTERS} characters"
            raise InvalidOption("models", models, why)
        try:
            checked[key] = checked_text("model", model)
        except InvalidName as error:
            raise InvalidOption("models", models, f"{name!r}: {error.why}") from None
    return dict(sorted(checked.items()))


def checked_names(option: str, given: object, kind: type[T]) -> dict[str, T]:
    """Return what is said by names as in a model map, sorted by name. Raises `InvalidOption`."""
    if not isinstance(given, Mapping) or not all(isinstance(value, kind) for value in given.values()):
        raise InvalidOption(option, given, f"it says {kind.__name__}(...) by names of steps, groups, workers, or '*'")
    return dict(sorted((_checked_key(option, name), value) for name, value in given.items()))


def _checked_key(option: str, name: object) -> str:
    if name == ANY:
        return ANY
    if not isinstance(name, str):
        raise InvalidOption(option, name, "its keys are names of steps, groups and workers, or '*'")
    try:
        # `extract/summarise` is a step of a group.
        return "/".join(checked_name("step", part) for part in name.split("/"))
    except InvalidName as error:
        raise InvalidOption(option, name, error.why) from None


def model_of(step: str, worker: str, scopes: Mapping[str, ModelMap]) -> str | None:
    """Return the model for a step; None if no map names one.

    `scopes` has the maps by the name of the group they hold for; the workflow's has an empty name. The innermost map
    that names one counts. In a map the step itself goes first, then the groups around it from the inside, then the
    worker, then "*". Children of maps, rounds and undos have no names of their own here: `pages[3]` is `pages`.
    """
    plain = _NUMBERS.sub("", step)
    for scope in (AT_INSERT, *_groups_around(plain), ""):
        if (models := scopes.get(scope)) is None:
            continue
        inside = plain[len(scope) + 1 :] if scope not in (AT_INSERT, "") else plain
        for name in (inside, *_groups_around(inside), worker, ANY):
            if (model := models.get(name)) is not None:
                return model
    return None


def holes_of(models: ModelMap) -> list[str]:
    """Return the names of the holes that stand for models."""
    return [hole.name for hole in cast("Mapping[str, object]", models).values() if isinstance(hole, Param)]


def with_models_at_insert(spec: WorkflowSpec, models: object) -> WorkflowSpec:
    """Return a workflow with a model map that goes before all of its own. Raises `InvalidOption`."""
    if models is None:
        return spec
    bounds = spec.scope or UNBOUNDED
    scopes = {**(bounds.models or {}), AT_INSERT: checked_models(models)}
    written = sha256(f"{spec.fingerprint} models {scopes[AT_INSERT]}".encode()).hexdigest()
    return replace(spec, scope=replace(bounds, models=scopes), fingerprint=f"{VERSION}:{written}")


def _groups_around(name: str) -> Iterator[str]:
    """Yield the groups around a step from the inside: of `a/b/c` these are `a/b` and `a`."""
    while "/" in name:
        name = name[: name.rindex("/")]
        yield name
