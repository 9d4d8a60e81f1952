"""The seed of a random test, which its failure names."""

from __future__ import annotations

import os
import random
from collections.abc import Generator

import pytest


@pytest.fixture
def seed() -> str:
    """Draws the test's workflows: that of BATON_SEED, else another one each time."""
    return os.environ.get("BATON_SEED") or str(random.randrange(10**6))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    # A note stands in the failure itself: what is printed is lost where a run keeps only the
    # summary.
    try:
        yield
    except BaseException as error:
        if (seed := getattr(item, "funcargs", {}).get("seed")) is not None:
            error.add_note(f"BATON_SEED={seed} draws these again, BATON_SEED={seed}/17 one of them alone")
        raise
