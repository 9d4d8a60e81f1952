"""The examples run as they stand."""

from __future__ import annotations

import re

from tests.cli.command import ROOT, assert_succeeded, python
from tests.cli.library import counted_plainly, library_in

EXAMPLES = ROOT / "examples"


def run_example(name, *arguments, **given):
    return assert_succeeded(python(str(EXAMPLES / name), *arguments, **given))


def test_every_example_is_run_here():
    tested = {
        "stdlib_census.py",
        "compare_pages.py",
        "dask_cluster.py",
        "draw_pictures.py",
        "hash_folder.py",
        "longest_functions.py",
        "transactional_insert.py",
        "orders",  # by test_orders.py
        "research",  # by test_research.py
    }

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


def test_a_folder_is_walked_by_graphs_as_by_recursion(database, tmp_path):
    root = tmp_path / "root"
    for name in ("a", "empty/", "b/c", "b/[odd]/d", "b/e/f/g"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text(name)

    said = run_example("hash_folder.py", str(root), cwd=tmp_path, database=database)

    assert said.startswith("4 files, ")
    assert "plain recursion says the same" in said


def test_packages_and_their_files_are_a_map_of_a_map(database, tmp_path):
    library = tmp_path / "library"
    for package, sizes in {"one": [3, 5], "two": [4], "broken": [2, 0]}.items():
        (library / package).mkdir(parents=True)
        (library / package / "__init__.py").write_text("")
        for size in sizes:
            source = "def f():\n" + "    x = 1\n" * (size - 1) if size else "def ("
            (library / package / f"m{size}.py").write_text(source)

    said = run_example("longest_functions.py", str(library), cwd=tmp_path, database=database)

    assert re.findall(r"(\w+) +(\d+) lines: f in (\w+).py", said) == [("one", "5", "m5"), ("two", "4", "m4")]
    # The file that cannot be parsed, the map of its package's files, the package, and the map of
    # packages.
    assert "4 steps discarded" in said


def test_the_pages_are_compared(database, tmp_path):
    said = run_example("compare_pages.py", cwd=tmp_path, database=database)

    assert "11 words and 8 words share the, outcome, is, step" in said
    assert said.count("completed in attempt 1") == 6


def test_an_order_that_is_rolled_back_has_no_workflow(database, tmp_path):
    said = run_example("transactional_insert.py", database, cwd=tmp_path)

    assert said == "shipped order 1\nrolled back: the card was refused\n1 order, 1 workflow\n"


def test_heavy_steps_leave_for_the_cluster(database, tmp_path):
    said = run_example("dask_cluster.py", cwd=tmp_path, database=database)

    ran = re.findall(r"(\d+) of (\d+) packages were compressed by (tcp://|this process)", said)
    assert {where for _, _, where in ran} == {"tcp://"}
    assert sum(int(count) for count, _, _ in ran) == int(ran[0][1]) > 5


def test_the_pictures_of_the_docs_are_drawn(database, tmp_path):
    run_example("draw_pictures.py", str(tmp_path), cwd=tmp_path, database=database)

    drawn = {path.name for path in tmp_path.glob("*.svg")}
    assert drawn == {path.name for path in (ROOT / "docs/pictures").iterdir()}
    shown = re.findall(r"\(pictures/([^)]+)\)", (ROOT / "docs/pictures.md").read_text())
    assert set(shown) == drawn
    # The times at which steps ended decide in which order they are undone, and the picture shows
    # it.
    assert "hotel[undo]" in (tmp_path / "saga.svg").read_text()
