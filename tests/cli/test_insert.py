"""`baton insert`."""

from __future__ import annotations

import json

from baton import Baton, param, result_of, worker
from tests.cli.command import assert_refused, assert_succeeded, baton


@worker(name="inserted fetch", queue="web")
async def fetch(url: str, pages: int = 1) -> str: ...


def template(folder):
    flow = (
        Baton.new(workflow_name="visit")
        .add("home", fetch.new(param("site"), param("pages")))
        .add("next", fetch.new(result_of("home")))
    )
    file = folder / "visit.json"
    file.write_text(flow.to_template())
    return file


async def database_rows(engine):
    async with engine.connections.acquire() as connection:
        return await connection.fetchrow(f"select args, worker, queue from {engine.schema}.steps where name = 'home'")


async def test_a_template_is_inserted_with_its_values(engine, database, tmp_path):
    """The command knows no worker: the template says what it needs."""
    file = template(tmp_path)

    done = baton(
        "insert", str(file), "--param", "site=a=b", "--param", "pages:=3", "--id", "v", cwd=tmp_path, database=database
    )

    assert assert_succeeded(done) == "v\n"
    stored = await database_rows(engine)
    assert json.loads(stored["args"]) == {"url": "a=b", "pages": 3}
    assert (stored["worker"], stored["queue"]) == ("inserted fetch", "web")


async def test_the_same_insert_again_says_so(engine, database, tmp_path):
    given = ["insert", str(template(tmp_path)), "--param", "site=x", "--param", "pages:=1", "--id", "v"]
    baton(*given, cwd=tmp_path, database=database)

    again = baton(*given, cwd=tmp_path, database=database)

    assert assert_succeeded(again) == "v exists already, with the same graph\n"


async def test_a_key_is_held_by_one_run_and_results_are_reused(engine, database, tmp_path):
    """`--key` and `--if-running`, and `--reusing` of a workflow that there is none of."""
    given = ["insert", str(template(tmp_path)), "--param", "site=x", "--param", "pages:=1", "--key", "k"]

    def insert(*more):
        return baton(*given, *more, cwd=tmp_path, database=database)

    assert assert_succeeded(insert("--id", "first")) == "first\n"
    assert assert_succeeded(insert("--id", "second")) == "first holds the key already\n"
    assert assert_succeeded(insert("--id", "third", "--if-running", "replace")) == "third\n"
    assert "there is no workflow 'zero'" in assert_refused(insert("--id", "fourth", "--key", "o", "--reusing", "zero"))


def test_a_hole_without_a_value_is_refused_before_connecting(tmp_path):
    done = baton("insert", str(template(tmp_path)), "--param", "site=x", cwd=tmp_path)

    assert assert_refused(done) == "the template cannot be used: the hole 'pages' of step 'home' has no value"


def test_with_the_application_values_are_checked(tmp_path):
    (tmp_path / "visits.py").write_text(
        "from baton import worker\n\n\n"
        "@worker(name='inserted fetch')\n"
        "async def fetch(url: str, pages: int = 1) -> str: ...\n"
    )
    given = ["insert", str(template(tmp_path)), "--app", "visits", "--param", "site=x", "--param", "pages=1"]

    done = baton(*given, cwd=tmp_path)

    assert assert_refused(done) == (
        "the template cannot be used: step 'home': inserted fetch: in `$.pages`: Expected `int`, got `str`"
    )


def test_a_param_that_reads_like_none_is_a_usage_error(tmp_path):
    for given in ("site", "pages:={"):
        assert baton("insert", "x.json", "--param", given, cwd=tmp_path).returncode == 2


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert (
        assert_refused(baton("insert", "no.json", cwd=tmp_path))
        == "'no.json' cannot be read: No such file or directory"
    )
