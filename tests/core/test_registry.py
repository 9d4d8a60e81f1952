from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from baton.core import registry
from baton.errors import DuplicateWorker


@dataclass
class Fake:
    name: str
    module: str
    qualname: str
    source: str | None = None


def add(*facts: Any) -> Fake:
    fake = Fake(*facts)
    registry.add(fake)  # type: ignore[arg-type]  # the registry reads no more than this of it
    return fake


def test_a_worker_is_found_by_its_name() -> None:
    fetch = add("test fetch", "app", "fetch")
    assert registry.get("test fetch") is fetch  # type: ignore[comparison-overlap]
    assert "test fetch" in registry.names()
    assert registry.get("test nothing") is None


def test_two_different_functions_of_one_name_are_refused() -> None:
    first = add("test fetch", "app", "fetch", "/app.py")
    with pytest.raises(DuplicateWorker) as caught:
        add("test fetch", "other", "fetch", "/other.py")
    assert str(caught.value) == (
        "two different functions are registered as worker 'test fetch': app.fetch and other.fetch; "
        "give one of them another name with @worker(name=...)"
    )
    assert registry.get("test fetch") is first  # type: ignore[comparison-overlap]


def test_the_same_function_replaces_itself_when_its_module_is_loaded_again() -> None:
    add("test fetch", "app", "fetch")
    again = add("test fetch", "app", "fetch")
    assert registry.get("test fetch") is again  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("module", ["__mp_main__", "app"])
def test_a_file_run_as_a_program_and_imported_has_one_worker(module: str) -> None:
    add("test fetch", "__main__", "fetch", "/app.py")
    imported = add("test fetch", module, "fetch", "/app.py")
    assert registry.get("test fetch") is imported  # type: ignore[comparison-overlap]


def test_isolated_forgets_what_was_registered_inside() -> None:
    with registry.isolated():
        add("test inside", "app", "inside")
    assert registry.get("test inside") is None
