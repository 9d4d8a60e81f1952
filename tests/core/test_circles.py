"""Circles of what waits for one another."""

from __future__ import annotations

import pytest

from baton.core.circles import circles


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        ([], []),
        ([("a", "b"), ("b", "c")], []),
        ([("a", "b"), ("b", "a")], [("a", "b")]),
        ([("x", "a"), ("a", "b"), ("b", "c"), ("c", "a")], [("a", "b", "c")]),
        ([("a", "a")], [("a",)]),
        ([("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")], [("a", "b"), ("c", "d")]),
        ([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e")], []),
    ],
)
def test_circles_are_found_and_nothing_else(waits, expected):
    assert list(circles(waits)) == expected


def test_a_long_chain_needs_no_recursion():
    waits = [(str(number), str(number + 1)) for number in range(50_000)]

    assert [len(found) for found in circles([*waits, ("50000", "0")])] == [50_001]
