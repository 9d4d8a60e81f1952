"""The examples run as they stand."""

from __future__ import annotations

import re

from tests.cli.command import ROOT, python, succeeded
from tests.cli.library import counted_plainly, library_in

EXAMPLES = ROOT / "examples"


def run_example(name, *arguments, **given):
    return succeeded(python(str(EXAMPLES / name), *arguments, **given))


def test_every_example_is_run_here():
    tested = {"stdlib_census.py", "compare_pages.py", "transactional_insert.py", "orders"}  # the last by test_orders.py

    assert {path.name for path in EXAMPLES.iterdir() if path.name != "__pycache__"} == tested


def test_the_census_agrees_with_a_plain_loop(database, tmp_path):
    library = library_in(tmp_path / "library", "*.py")

    said = run_example("stdlib_census.py", str(library), cwd=tmp_path, database=database)

    plain = counted_plainly(library)
    assert (
        said.count(
            f"{plain.modules:,} modules, {plain.functions:,} functions, {plain.async_functions:,} async_functions, "
            f"{plain.classes:,} classes, {plain.lines:,} lines, {plain.unparsed:,} unparsed\n"
            f"the longest function has {plain.longest} lines: "
        )
        == 2
    )
    assert int(re.search(r"(\d+) packages, 1 of 1 process", said)[1]) >= 100


def test_the_pages_are_compared(database, tmp_path):
    said = run_example("compare_pages.py", cwd=tmp_path, database=database)

    assert "11 words and 8 words share the, outcome, is, step" in said
    assert said.count("completed in attempt 1") == 6


def test_an_order_that_is_rolled_back_has_no_workflow(database, tmp_path):
    said = run_example("transactional_insert.py", database, cwd=tmp_path)

    assert said == "shipped order 1\nrolled back: the card was refused\n1 order, 1 workflow\n"
