"""Plain workers with Django's connections, which threads and processes keep from step to step."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import pytest

from baton.core import registry
from tests.cli.command import ROOT, environment
from tests.waiting import eventually


@contextmanager
def pool(database, max_age: int):
    """A pool in a process of its own, in which Django is set up."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.programs.django_workers"],
        cwd=ROOT,
        env=environment(database, MAX_AGE=str(max_age)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "running\n"
        yield
        process.communicate("\n", timeout=60)
    finally:
        process.kill()
        process.communicate()


def job(kind: str):
    from baton import worker

    with registry.isolated():

        @worker(name=f"django in {kind}", backoff=0)
        def known_elsewhere() -> int: ...

        return known_elsewhere.new()


async def lose_connections(connection) -> int:
    """End all of Django's sessions, as a restart of the database does."""
    ended = await connection.fetch(
        """
        select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'django'
        """
    )
    return len(ended)


@pytest.mark.parametrize("kind", ["thread", "process"])
async def test_a_lost_connection_fails_no_later_step(database, connection, engine, kind):
    """With connections that are kept for long, the step that finds it lost is started once more."""
    with pool(database, max_age=3600):
        run = await job(kind).insert()
        assert await run.result(timeout=60) == 42
        assert await lose_connections(connection) == 1
        for most in (2, 1):
            run = await job(kind).insert()
            assert await run.result(timeout=60) == 42
            (step,) = await run.steps()
            assert step.attempt <= most


@pytest.mark.parametrize("kind", ["thread", "process"])
async def test_a_connection_that_is_not_to_be_kept_is_closed_after_each_step(database, connection, engine, kind):
    """The default of Django: a connection lasts for a request."""
    with pool(database, max_age=0):
        run = await job(kind).insert()
        assert await run.result(timeout=60) == 42

        sessions = (
            "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'django'"
        )
        await eventually(lambda: connection.fetchval(f"select ({sessions}) = 0"))
