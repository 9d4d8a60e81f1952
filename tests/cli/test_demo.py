"""`baton demo`: the census is right, says who did the work, and leaves nothing behind."""

from __future__ import annotations

import os
import re
from textwrap import dedent

import pytest

from baton.cli.census import Count, Longest, count_file, packages_in, standard_library
from tests.cli.command import assert_refused, assert_succeeded, baton
from tests.cli.library import counted_plainly, library_in


@pytest.mark.slow
def test_the_census_of_the_standard_library_agrees_with_a_plain_loop(tmp_path):
    library = library_in(tmp_path / "library")

    said = assert_succeeded(baton("demo", "--slots", "2", "--library", str(library), cwd=tmp_path))

    plain = counted_plainly(library)
    figures = (plain.modules, plain.functions, plain.async_functions, plain.classes, plain.lines, plain.longest)
    total = re.search(r"^all +(.*)$", said, re.MULTILINE)
    assert total[1].split() == [f"{figure:,}" for figure in figures]
    # Python 3.13 parses all that its library has outside of the tests.
    assert (f"\n{plain.unparsed} files are not Python of this version" in said) == (plain.unparsed > 0)
    assert f"of {len(packages_in(library))} packages" in said
    assert len(packages_in(library)) >= 100
    one, two = (re.findall(r"(\d+): (\d+)", line) for line in said.splitlines()[-2:])
    assert (len(one), len(two)) == (1, 2)
    assert sum(int(packages) for _, packages in two) == len(packages_in(library))
    for pid, _ in [*one, *two]:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_the_census_runs_on_a_given_database_again_and_again(database, tmp_path):
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "small.py").write_text("def f():\n    return 1\n")

    for _ in range(2):
        said = assert_succeeded(baton("demo", "--library", "library", "--address", database, cwd=tmp_path))

        assert "small.py" in said
        assert "starting a PostgreSQL server" not in said
        workflow = re.search(r"baton show (\S+) --schema baton_demo", said)[1]
        assert " is completed: 3 completed" in assert_succeeded(
            baton("show", workflow, "--schema", "baton_demo", cwd=tmp_path, database=database)
        )


def test_the_standard_library_has_at_least_a_hundred_packages():
    packages = packages_in(standard_library())

    assert len(packages) >= 100
    assert {"asyncio", "json", "ast.py"} <= set(packages)
    assert not {"site-packages", "dist-packages", "__pycache__"} & set(packages)


def test_a_file_is_counted_by_what_it_defines(tmp_path):
    source = """
        class A:
            def method(self):
                def inner(): ...
                return inner
        async def later():
            pass
    """
    (tmp_path / "a.py").write_text(dedent(source).lstrip())

    assert count_file(tmp_path / "a.py", "a.py") == Count(1, 2, 1, 1, 6, 0, Longest(3, "method", "a.py"))


@pytest.mark.parametrize("source", [b"print 1", b"\xff", b"# coding: none\n", b"a\0b", b"(" * 300 + b")" * 300])
def test_a_file_that_is_not_python_is_counted_as_that_and_as_nothing_else(source, tmp_path):
    (tmp_path / "a.py").write_bytes(source)

    assert count_file(tmp_path / "a.py", "a.py") == Count(unparsed=1)


def test_counts_add_up_and_keep_the_longest_function():
    one, other = (
        Count(1, 2, 3, 4, 5, 6, Longest(7, "f", "a.py")),
        Count(10, 20, 30, 40, 50, 60, Longest(6, "g", "b.py")),
    )

    assert one + other == other + one == Count(11, 22, 33, 44, 55, 66, Longest(7, "f", "a.py"))


def test_a_folder_without_python_is_refused_in_a_sentence(tmp_path):
    said = assert_refused(baton("demo", "--library", str(tmp_path), cwd=tmp_path))

    assert said == f"{tmp_path} has no Python source; name a folder that has some with --library"


def test_a_folder_that_is_not_there_is_refused_in_a_sentence(tmp_path):
    said = assert_refused(baton("demo", "--library", str(tmp_path / "none"), cwd=tmp_path))

    assert "none is not a folder" in said
